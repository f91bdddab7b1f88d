#include "providers/incus/incus_api.hpp"

#include <algorithm>
#include <array>

namespace gantry::providers::incus {
namespace {

constexpr std::size_t kCallsKept = 50;
constexpr Duration kTimeout = std::chrono::seconds(30);

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Without the names in it: "GET /1.0/instances/{}/state".
std::string operation_of(const std::string& method, const std::string& path) {
  std::string out = method;
  std::size_t part = 0;
  const std::string bare = path.substr(0, path.find('?'));
  for (std::size_t at = 0; at < bare.size(); ++part) {
    const std::size_t end = std::min(bare.find('/', at + 1), bare.size());
    if (part == 0) out += ' ';
    out += part == 2 ? "/{}" : bare.substr(at, end - at);
    at = end;
  }
  return out;
}

}  // namespace

Error error_of(int status, const std::string& asked, const std::string& text) {
  const std::string message = asked + ": " + std::to_string(status) + " " + text;
  // Texts of LXD 5.0 and Incus 6.
  constexpr std::array<std::string_view, 5> kBusy{"is running", "is busy", "already exists in database", "in progress",
                                                  "Failed to acquire lock"};
  for (const auto busy : kBusy) {
    if (has(text, busy)) return {ErrorCode::Conflict, message};
  }
  if (has(text, "No space left") || has(text, "disk quota")) return {ErrorCode::QuotaExceeded, message};
  switch (status) {
    case 400:
      return {ErrorCode::Invalid, message};
    case 401:
      return {ErrorCode::Unauthorized, message};
    case 403:
      return {ErrorCode::Forbidden, message};
    case 404:
      return {ErrorCode::NotFound, message};
    case 409:
    case 412:
      return {ErrorCode::Conflict, message};
    default:
      return {ErrorCode::Unavailable, message};
  }
}

Task<json::Value> Api::send(std::string method, std::string path, std::string body, Duration timeout) {
  http::Request request;
  request.method = method;
  request.url = path;
  request.body = std::move(body);
  request.timeout = timeout;
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  CallRecord record{reactor_.clock().wall(), operation_of(method, path), path, 0, {}, {}, {}};
  const Instant start = reactor_.now();
  const std::string asked = method + " " + path.substr(0, path.find('?'));
  json::Value answer;
  std::optional<Error> failure;
  try {
    const http::Response response = co_await transport_.send(std::move(request));
    record.status = response.status;
    answer = json::parse(response.body);
    if (answer.string_or("type") == "error") {
      const int code = static_cast<int>(answer.int_or("error_code", response.status));
      failure = error_of(code, asked, answer.string_or("error"));
    }
  } catch (const Error& error) {
    failure = error;
    failure->while_(asked);
  }
  record.elapsed = reactor_.now() - start;
  if (failure) record.problem = failure->message();
  calls_.push_front(std::move(record));
  if (calls_.size() > kCallsKept) calls_.pop_back();
  if (failure) throw *failure;
  co_return answer;
}

std::vector<CallRecord> Api::calls(std::size_t most) const {
  return {calls_.begin(), calls_.begin() + static_cast<std::ptrdiff_t>(std::min(most, calls_.size()))};
}

std::vector<CallRecord> Api::calls_about(const std::vector<std::string>& things, std::size_t most) const {
  std::vector<CallRecord> some;
  for (const auto& record : calls_) {
    const bool meant = std::ranges::any_of(things, [&](const auto& thing) { return has(record.about, "/" + thing); });
    if (meant && some.size() < most) some.push_back(record);
  }
  return some;
}

Task<json::Value> Api::get(std::string path) {
  const json::Value answer = co_await send("GET", std::move(path), {}, kTimeout);
  const json::Value* metadata = answer.find("metadata");
  co_return metadata ? *metadata : json::Value();
}

Task<std::optional<json::Value>> Api::find(std::string path) {
  std::optional<json::Value> found;
  try {
    found = co_await get(std::move(path));
  } catch (const Error& error) {  // tidy: that it is not there is the answer
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return found;
}

Task<std::string> Api::change(std::string method, std::string path, json::Value body) {
  const json::Value answer =
      co_await send(std::move(method), std::move(path), body.is_null() ? std::string() : json::dump(body), kTimeout);
  const std::string operation = answer.string_or("operation");
  co_return operation.substr(operation.rfind('/') + 1);
}

Task<> Api::wait(std::string operation, Duration time) {
  if (operation.empty()) co_return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  const std::string path = "/1.0/operations/" + operation + "/wait?timeout=" + std::to_string(seconds);
  json::Value answer;
  try {
    answer = co_await send("GET", path, {}, time + kTimeout);
  } catch (const Error& error) {  // tidy: ended operations are forgotten within seconds; the thing itself tells
    if (error.code() != ErrorCode::NotFound) throw;
    co_return;
  }
  const json::Value* metadata = answer.find("metadata");
  const std::string text = metadata ? metadata->string_or("err") : "";
  if (!text.empty()) throw error_of(500, "operation " + operation, text);
}

}  // namespace gantry::providers::incus
