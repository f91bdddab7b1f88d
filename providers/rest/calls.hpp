// How the resources of a REST API are read and written, whoever the vendor is: one at a time, absent ones as an answer,
// and listings page by page, whole or not at all. What differs (where the pages are counted) the vendor says.
#pragma once

#include <functional>
#include <string>

#include "providers/rest/client.hpp"
#include "providers/rest/reading.hpp"

namespace gantry::providers::rest {

class Calls {
 public:
  // What of a listing's answer is the page: its rows under `name`, the total, and whether another one follows. Throws
  // Error for an answer that does not say.
  using ReadPage = std::function<Page(const json::Value& body, const std::string& name)>;
  // base: in front of each path ("/v1"), and no part of an operation's name.
  Calls(const ProviderParts& parts, const ProviderSettings& settings, Vendor vendor, std::string endpoint, Secret token,
        std::string base, int page_size, ReadPage read_page);

  Task<json::Value> get(std::string path, std::string operation, std::string about = {});
  Task<json::Value> send(std::string method, std::string path, std::string operation, json::Value body = {},
                         std::string about = {});
  // Null when it is not there.
  Task<json::Value> find(std::string path, std::string operation, std::string about);
  // Every page of it. `path` may hold a query already.
  Task<json::Array> list(std::string path, std::string name, std::string key = "id", int* calls = nullptr);

  Client client;

 private:
  std::string vendor_;
  std::string base_;
  std::string page_size_;
  ReadPage read_page_;
};

// The Secret's entry "token". what: whose, for the refusal: "an API token of a Hetzner Cloud project".
Secret token_of(const ProviderSettings& settings, std::string_view what);

}  // namespace gantry::providers::rest
