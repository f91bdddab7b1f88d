#include "providers/rest/calls.hpp"

namespace gantry::providers::rest {

Calls::Calls(const ProviderParts& parts, const ProviderSettings& settings, Vendor vendor, std::string endpoint,
             Secret token, std::string base, int page_size, ReadPage read_page)
    : client(parts, vendor, settings.name, std::move(endpoint), std::move(token)),
      vendor_(vendor.name),
      base_(std::move(base)),
      page_size_(std::to_string(page_size)),
      read_page_(std::move(read_page)) {}

Task<json::Value> Calls::get(std::string path, std::string operation, std::string about) {
  return send("GET", std::move(path), std::move(operation), {}, std::move(about));
}

Task<json::Value> Calls::send(std::string method, std::string path, std::string operation, json::Value body,
                              std::string about) {
  return client.ask({.method = std::move(method),
                     .path = base_ + path,
                     .operation = std::move(operation),
                     .body = std::move(body),
                     .about = std::move(about)});
}

Task<json::Value> Calls::find(std::string path, std::string operation, std::string about) {
  try {
    co_return co_await get(std::move(path), std::move(operation), std::move(about));
  } catch (const Error& error) {  // tidy: absence is an answer here
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return json::Value{};
}

Task<json::Array> Calls::list(std::string path, std::string name, std::string key, int* calls) {
  const std::string operation = path.substr(0, path.find('?'));
  const std::string begun = path + (path.find('?') == std::string::npos ? "?" : "&");
  const std::string asked = vendor_ + " GET " + operation;
  const auto read = [this, begun, operation, name, asked](int number) -> Task<Page> {
    const json::Value body =
        co_await get(begun + "per_page=" + page_size_ + "&page=" + std::to_string(number), operation);
    try {
      co_return read_page_(body, name);
    } catch (Error& error) {
      throw error.while_(asked);
    }
  };
  co_return co_await all_pages(read, asked, std::move(key), calls);
}

Secret token_of(const ProviderSettings& settings, std::string_view what) {
  const auto token = settings.credentials.find("token");
  if (token == settings.credentials.end() || token->second.empty())
    throw Error(ErrorCode::Invalid, "spec.credentials: the Secret has no entry \"token\", " + std::string(what));
  return token->second;
}

}  // namespace gantry::providers::rest
