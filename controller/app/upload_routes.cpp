#include "controller/app/upload_routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "controller/base/json.hpp"
#include "controller/base/log.hpp"

namespace gantry::app {
namespace {

std::int64_t offset_of(const api::HttpRequest& request) {
  const std::string* text = request.parameter("offset");
  std::int64_t offset = -1;
  if (text) {
    const auto end = std::from_chars(text->data(), text->data() + text->size(), offset).ptr;
    if (end != text->data() + text->size()) offset = -1;
  }
  if (offset < 0) throw Error(ErrorCode::BadRequest, "say where the piece belongs: ?offset=BYTES");
  return offset;
}

// Code is of no use but to an App, in whatever namespace.
bool may_upload(const api::Authorizer& authorizer, const api::User& user) {
  return std::ranges::any_of(std::array{"create", "patch", "update"}, [&](const char* verb) {
    return authorizer.allow_somewhere(user, {verb, "gantry.dev", "apps", {}, {}, {}, {}});
  });
}

}  // namespace

Task<api::HttpResponse> UploadRoutes::handle(api::HttpRequest request) {
  const bool mine = request.segments.size() == 2 && request.segments[0] == "uploads";
  return mine ? answer(std::move(request)) : next_.handle(std::move(request));
}

Task<api::HttpResponse> UploadRoutes::answer(api::HttpRequest request) {
  std::optional<Error> failure;
  try {
    co_return co_await take(std::move(request));
  } catch (const Error& error) {  // this door's own catch, as the API has one
    failure = error;
  }
  co_return api::status_response(*failure);
}

Task<api::HttpResponse> UploadRoutes::take(api::HttpRequest request) {
  if (!request.user) throw Error(ErrorCode::Unauthorized, "Unauthorized");
  if (!may_upload(api_.authorizer(), *request.user)) {
    throw Error(ErrorCode::Forbidden, "forbidden: User \"" + request.user->name +
                                          "\" cannot upload code: no role lets this user create, update or patch Apps");
  }
  const std::string digest = request.segments[1];
  json::Object said{{"kind", "Upload"}};
  if (request.method == "GET") {
    said.set("received", co_await loop_.call(front_, [this, digest] { return uploads_.received(digest); }));
  } else if (request.method == "PUT") {
    const std::int64_t offset = offset_of(request);
    said.set("received", co_await loop_.call(front_, [this, digest, offset, body = std::move(request.body)]() mutable {
      return uploads_.add(digest, offset, std::move(body));
    }));
  } else if (request.method == "POST") {
    const std::string code = co_await loop_.call(front_, [this, digest] { return uploads_.finish(digest); });
    log::Logger("uploads").info("code was uploaded", {{"digest", code}, {"user", request.user->name}});
    said.set("digest", code);
  } else {
    throw Error(ErrorCode::MethodNotAllowed, "/uploads is asked with GET, PUT and POST");
  }
  api::HttpResponse response;
  response.body.emplace_back(json::dump(json::Value(std::move(said))) + "\n");
  co_return response;
}

}  // namespace gantry::app
