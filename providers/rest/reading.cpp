#include "providers/rest/reading.hpp"

#include <charconv>
#include <set>

#include "providers/money.hpp"

namespace gantry::providers::rest {
namespace {

constexpr int kPagesMax = 1000;

Error incomplete(const std::string& what) { return {ErrorCode::Unavailable, "the answer lacks " + what}; }

}  // namespace

const json::Array& rows(const json::Value& body, std::string_view name) {
  const json::Value* list = body.find(name);
  if (!list || !list->is_array()) throw incomplete("its list \"" + std::string(name) + "\"");
  return list->as_array();
}

const json::Value& part(const json::Value& body, std::string_view name) {
  const json::Value* found = body.find(name);
  if (!found || !found->is_object()) throw incomplete("\"" + std::string(name) + "\"");
  return *found;
}

std::string id_of(const json::Value& thing, std::string_view key) {
  const json::Value* id = thing.find(key);
  if (id && id->is_int()) return std::to_string(id->as_int());
  if (id && id->is_string() && !id->as_string().empty()) return id->as_string();
  throw incomplete("an " + std::string(key));
}

std::int64_t number_of(const std::string& id, std::string_view what) {
  std::int64_t number = 0;
  const char* end = id.data() + id.size();
  if (id.empty() || std::from_chars(id.data(), end, number).ptr != end)
    throw Error(ErrorCode::Invalid, "\"" + id + "\" is not " + std::string(what));
  return number;
}

std::vector<std::string> texts(const json::Value* list) {
  std::vector<std::string> words;
  if (!list || !list->is_array()) return words;
  for (const auto& word : list->as_array()) {
    if (word.is_string()) words.push_back(word.as_string());
  }
  return words;
}

double number_or(const json::Value& thing, std::string_view key, double otherwise) {
  const json::Value* number = thing.find(key);
  return number && number->is_number() ? number->as_double() : otherwise;
}

std::optional<WallTime> find_time(const json::Value& thing, std::string_view key) {
  const json::Value* text = thing.find(key);
  if (!text || !text->is_string()) return std::nullopt;
  try {
    return parse_time(text->as_string());
  } catch (const Error&) {  // tidy: as good as absent
    return std::nullopt;
  }
}

WallTime time_of(const json::Value& thing, std::string_view key) { return find_time(thing, key).value_or(WallTime{}); }

std::optional<Money> price_of(const json::Value* amount, std::string_view currency) {
  if (!amount || !(amount->is_string() || amount->is_number())) return std::nullopt;
  try {
    return money_of(amount->is_string() ? amount->as_string() : std::to_string(amount->as_double()), currency);
  } catch (const Error&) {  // tidy: a price that cannot be read is none
    return std::nullopt;
  }
}

Task<json::Array> all_pages(std::function<Task<Page>(int page)> read, std::string what, std::string key, int* calls) {
  for (int tries = 1;; ++tries) {
    json::Array all;
    std::set<std::string> seen;
    std::int64_t total = 0;
    for (int number = 1; number <= kPagesMax; ++number) {
      Page page = co_await read(number);
      if (calls) ++*calls;
      total = page.total;
      for (auto& row : page.rows) {
        if (seen.insert(id_of(row, key)).second) all.push_back(std::move(row));
      }
      if (page.last) break;
    }
    if (static_cast<std::int64_t>(all.size()) == total) co_return all;
    if (tries == 2)
      throw Error(ErrorCode::Unavailable, what + ": the pages hold " + std::to_string(all.size()) + " of " +
                                              std::to_string(total) + "; a part is not taken for the whole");
  }
}

}  // namespace gantry::providers::rest
