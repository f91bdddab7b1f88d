#include "controller/api/status.hpp"

#include <algorithm>

namespace gantry::api {
namespace {

using object::quoted;

std::string joined(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const auto word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

Error about(Error error, object::Resource resource, std::string_view name) {
  error.about = Error::About{std::string(resource.group()), std::string(resource.plural()), std::string(name), {}};
  return error;
}

std::int64_t seconds_of(std::chrono::milliseconds wait) {
  return std::max<std::int64_t>(1, (wait.count() + 999) / 1000);
}

json::Value details_of(const Error& error) {
  json::Object details;
  if (error.about) {
    const auto set = [&](std::string_view key, const std::string& value) {
      if (!value.empty()) details.set(key, value);
    };
    set("group", error.about->group);
    set("kind", error.about->kind);
    set("name", error.about->name);
    set("uid", error.about->uid);
  }
  if (!error.causes.empty()) {
    json::Array causes;
    causes.reserve(error.causes.size());
    for (const auto& cause : error.causes) {
      json::Object made;
      if (!cause.reason.empty()) made.set("reason", cause.reason);
      if (!cause.message.empty()) made.set("message", cause.message);
      if (!cause.field.empty()) made.set("field", cause.field);
      causes.emplace_back(std::move(made));
    }
    details.set("causes", std::move(causes));
  }
  if (error.retry_after) details.set("retryAfterSeconds", seconds_of(*error.retry_after));
  return details;
}

bool has_details(const Error& error) {
  switch (error.code()) {
    case ErrorCode::BadRequest:
    case ErrorCode::Unauthorized:
      return false;
    default:
      return true;
  }
}

}  // namespace

json::Value to_status(const Error& error) {
  const ErrorTraits& row = traits(error.code());
  json::Object metadata;
  if (!error.continue_token.empty()) metadata.set("continue", error.continue_token);
  json::Object status{{"apiVersion", "v1"},         {"code", row.http_status},         {"kind", "Status"},
                      {"message", error.message()}, {"metadata", std::move(metadata)}, {"reason", row.reason},
                      {"status", "Failure"}};
  if (has_details(error)) status.set("details", details_of(error));
  return status;
}

HttpResponse status_response(const Error& error) {
  HttpResponse response;
  response.status = traits(error.code()).http_status;
  response.body.emplace_back(json::dump(to_status(error)));
  if (error.retry_after) response.headers.emplace_back("Retry-After", std::to_string(seconds_of(*error.retry_after)));
  if (error.code() == ErrorCode::Unauthorized)
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"gantry\"");
  return response;
}

std::string success_status(const object::Key& key, std::string_view uid) {
  json::Object details{{"kind", key.resource.plural()}, {"name", key.name}, {"uid", uid}};
  if (!key.resource.group().empty()) details.set("group", key.resource.group());
  return json::dump(json::Object{{"apiVersion", "v1"},
                                 {"details", std::move(details)},
                                 {"kind", "Status"},
                                 {"metadata", json::Object()},
                                 {"status", "Success"}});
}

Error unknown_path() { return Error(ErrorCode::NotFound, "the server could not find the requested resource"); }

Error not_found(object::Resource resource, std::string_view name) {
  return about(Error(ErrorCode::NotFound, std::string(resource.qualified()) + " " + quoted(name) + " not found"),
               resource, name);
}

Error already_exists(object::Resource resource, std::string_view name) {
  return about(
      Error(ErrorCode::AlreadyExists, std::string(resource.qualified()) + " " + quoted(name) + " already exists"),
      resource, name);
}

Error conflict(object::Resource resource, std::string_view name) {
  return about(
      Error(ErrorCode::Conflict,
            "Operation cannot be fulfilled on " + std::string(resource.qualified()) + " " + quoted(name) +
                ": the object has been modified; please apply your changes to the latest version and try again"),
      resource, name);
}

Error forbidden(object::Resource resource, std::string_view name, std::string_view why) {
  std::string message(resource.qualified());
  if (!name.empty()) message += " " + quoted(name);
  return about(Error(ErrorCode::Forbidden, message + " is forbidden: " + std::string(why)), resource, name);
}

Error method_not_allowed(object::Resource resource, std::string_view action) {
  return about(Error(ErrorCode::MethodNotAllowed,
                     std::string(action) + " is not supported on resources of kind " + quoted(resource.qualified())),
               resource, {});
}

Error unsupported_media_type(std::initializer_list<std::string_view> accepted) {
  return Error(ErrorCode::UnsupportedMediaType,
               "the body of the request was in an unknown format - accepted media types include: " + joined(accepted));
}

Error not_acceptable(std::initializer_list<std::string_view> served) {
  return Error(ErrorCode::NotAcceptable, "only the following media types are accepted: " + joined(served));
}

Error invalid(const object::Kind& kind, std::string_view name, std::vector<FieldError> causes) {
  return object::invalid_object(kind.group, kind.kind, name, std::move(causes));
}

Error invalid_option(std::string_view options, FieldError cause) {
  Error error(ErrorCode::Invalid,
              std::string(options) + ".meta.k8s.io \"\" is invalid: " + cause.field + ": " + cause.message);
  error.about = Error::About{"meta.k8s.io", std::string(options), {}, {}};
  error.causes.push_back(std::move(cause));
  return error;
}

Error too_large_revision(object::Revision asked, object::Revision current) {
  Error error(ErrorCode::Timeout, "Timeout: Too large resource version: " + std::to_string(asked) +
                                      ", current: " + std::to_string(current));
  error.causes.push_back({"ResourceVersionTooLarge", {}, "Too large resource version"});
  error.retry_after = std::chrono::seconds(1);
  return error;
}

FieldError not_one_of(std::string field, std::string_view value, std::initializer_list<std::string> supported) {
  return object::not_supported(std::move(field), value, std::vector<std::string>(supported));
}

}  // namespace gantry::api
