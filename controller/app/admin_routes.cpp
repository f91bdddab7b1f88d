#include "controller/app/admin_routes.hpp"

#include "controller/base/json.hpp"
#include "controller/base/log.hpp"

namespace gantry::app {

Task<api::HttpResponse> AdminRoutes::handle(api::HttpRequest request) {
  return request.path == "/backup" ? answer(std::move(request)) : next_.handle(std::move(request));
}

Task<api::HttpResponse> AdminRoutes::answer(api::HttpRequest request) {
  std::optional<Error> failure;
  try {
    co_return co_await backup(request);
  } catch (const Error& error) {  // this door's own catch, as the API has one
    failure = error;
  }
  co_return api::status_response(*failure);
}

Task<api::HttpResponse> AdminRoutes::backup(const api::HttpRequest& request) {
  if (request.method != "POST") throw Error(ErrorCode::MethodNotAllowed, "/backup is asked for with POST");
  if (!request.user) throw Error(ErrorCode::Unauthorized, "Unauthorized");
  if (!next_.authorizer().allow(*request.user, {"post", {}, {}, {}, {}, {}, request.path}))
    throw Error(ErrorCode::Forbidden, "forbidden: User \"" + request.user->name + "\" cannot post path \"/backup\"");
  const std::string path = json::parse(request.body).string_or("path");
  if (!path.starts_with('/'))
    throw Error(ErrorCode::BadRequest, "path: an absolute path on the controller's machine is required");
  co_await store_.backup(path);
  log::Logger("backup").info("the store was backed up", {{"path", path}, {"user", request.user->name}});
  api::HttpResponse response;
  response.body.emplace_back(
      json::dump(json::Object{
          {"kind", "Backup"}, {"path", path}, {"revision", static_cast<std::int64_t>(store_.revision())}}) +
      "\n");
  co_return response;
}

}  // namespace gantry::app
