// Reading what vendors answer: what may be absent, and listings that come in pages. An answer that lacks what it must
// have is Error(Unavailable): the vendor is not well, and nobody's object is to blame.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/base/task.hpp"
#include "providers/provider.hpp"

namespace gantry::providers::rest {

// The array of that name in the body.
const json::Array& rows(const json::Value& body, std::string_view name);
// The object of that name in the body.
const json::Value& part(const json::Value& body, std::string_view name);
// A number or a text, as text: 4711.
std::string id_of(const json::Value& thing, std::string_view key = "id");
// An id as the number that a body wants. Throws Error(Invalid): it is not `what`.
std::int64_t number_of(const std::string& id, std::string_view what);
std::vector<std::string> texts(const json::Value* list);
double number_or(const json::Value& thing, std::string_view key, double otherwise);
// The epoch when absent or unreadable.
WallTime time_of(const json::Value& thing, std::string_view key);
std::optional<WallTime> find_time(const json::Value& thing, std::string_view key);
// A number or a decimal text; absent for anything else.
std::optional<Money> price_of(const json::Value* amount, std::string_view currency);

struct Page {
  json::Array rows;
  std::int64_t total = 0;  // of all pages
  bool last = true;
};

// All pages, each thing once. A listing that does not add up (something came or went between two pages, or the vendor
// miscounts) is read once more; then it throws. `calls` counts.
Task<json::Array> all_pages(std::function<Task<Page>(int page)> read, std::string what, std::string key, int* calls);

}  // namespace gantry::providers::rest
