#include "controller/cli/server.hpp"

#include "controller/base/percent.hpp"

namespace gantry::cli {

ServerError error_of_status(const json::Value& status, int http_status) {
  const std::string reason = status.string_or("reason");
  const int code = static_cast<int>(status.int_or("code", http_status));
  ServerError error(error_code_of_http_status(code, reason), status.string_or("message", "the server gave no reason"));
  const json::Value* details = status.find("details");
  if (!details || !details->is_object()) return error;
  error.about = Error::About{details->string_or("group"), details->string_or("kind"), details->string_or("name"),
                             details->string_or("uid")};
  if (const auto seconds = details->int_or("retryAfterSeconds", 0)) error.retry_after = std::chrono::seconds(seconds);
  const json::Value* causes = details->find("causes");
  if (!causes || !causes->is_array()) return error;
  for (const json::Value& cause : causes->as_array()) {
    error.causes.push_back({cause.string_or("reason"), cause.string_or("field"), cause.string_or("message")});
  }
  return error;
}

ServerError Response::error() const {
  try {
    const json::Value value = json::parse(body);
    if (value.string_or("kind") == "Status") return error_of_status(value, status);
  } catch (const Error&) {
    // Not JSON: whoever answered is not the API server, and its own words are shown.
  }
  std::string_view words = body;
  while (!words.empty() && (words.back() == '\n' || words.back() == '\r')) words.remove_suffix(1);
  const std::string message = words.empty() ? "the server could not find the requested resource" : std::string(words);
  return {error_code_of_http_status(status), "HTTP status " + std::to_string(status) + ": " + message.substr(0, 512)};
}

json::Value Response::json() const {
  if (!ok()) throw error();
  return json::parse(body);
}

std::vector<Response> Server::send_all(const std::vector<Request>& requests) {
  std::vector<Response> responses;
  responses.reserve(requests.size());
  for (const Request& request : requests) responses.push_back(send(request));
  return responses;
}

std::string path_segment(std::string_view text) { return percent_encode(text, "-._~:"); }

std::string query(std::initializer_list<std::pair<std::string_view, std::string_view>> terms) {
  std::string text;
  for (const auto& [name, value] : terms) {
    if (value.empty()) continue;
    text += text.empty() ? '?' : '&';
    text.append(name).append("=").append(percent_encode(value, "-._~,=/:!()"));
  }
  return text;
}

}  // namespace gantry::cli
