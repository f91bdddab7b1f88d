#include "controller/api/handler.hpp"

#include <algorithm>

namespace gantry::api {

const std::string* HttpRequest::header(std::string_view lower_case_name) const {
  const auto at =
      std::ranges::find(headers, lower_case_name, [](const auto& header) { return std::string_view(header.first); });
  return at == headers.end() ? nullptr : &at->second;
}

const std::string* HttpRequest::parameter(std::string_view name) const {
  const auto at =
      std::ranges::find(query, name, [](const auto& parameter) { return std::string_view(parameter.first); });
  return at == query.end() ? nullptr : &at->second;
}

std::string_view text_of(const Piece& piece) {
  if (const auto* text = std::get_if<std::string>(&piece)) return *text;
  if (const auto* object = std::get_if<object::ObjectPtr>(&piece)) return (*object)->bytes();
  return std::get<store::EventPtr>(piece)->frame();
}

// Kubernetes clients read a Status. Where none of its reasons fits (431, 505), it has none.
HttpResponse Handler::refuse(int status, const Error& error) {
  if (traits(error.code()).http_status == status) return status_response(error);
  HttpResponse response;
  response.status = status;
  response.body.emplace_back(json::dump(json::Object{{"apiVersion", "v1"},
                                                     {"code", status},
                                                     {"kind", "Status"},
                                                     {"message", error.message()},
                                                     {"metadata", json::Object()},
                                                     {"status", "Failure"}}));
  return response;
}

HttpResponse Handler::refuse_stranger(const HttpRequest&) {
  return refuse(401, Error(ErrorCode::Unauthorized, "Unauthorized"));
}

}  // namespace gantry::api
