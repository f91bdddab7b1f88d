#include "controller/api/access/doors.hpp"

#include <algorithm>

#include "controller/api/access/impersonation.hpp"

namespace gantry::api::access {

bool Doors::is_beside(std::string_view path) const {
  return std::ranges::any_of(paths_, [&](const std::string& door) {
    return path.starts_with(door) && (path.size() == door.size() || path[door.size()] == '/');
  });
}

Task<HttpResponse> Doors::handle(HttpRequest request) {
  // Who is nobody is refused behind the door.
  const bool watched = request.user && is_beside(request.path);
  return watched ? watch(std::move(request)) : next_.handle(std::move(request));
}

Task<HttpResponse> Doors::watch(HttpRequest request) {
  const Instant start = front_.now();
  AuditRecord record = record_of(request);
  HttpResponse response;
  try {
    response = co_await pass(std::move(request), record);
  } catch (const Error& error) {  // these doors' own catch, as the API has one
    response = status_response(error);
  }
  write_down(std::move(record), response.status, start);
  co_return response;
}

Task<HttpResponse> Doors::pass(HttpRequest request, AuditRecord& record) {
  if (auto other = impersonated(request, *request.user, watchers_.authorizer)) {
    record.impersonator = std::exchange(record.user, *other);
    request.user = std::move(other);
    // Who has become another is not asked to become them once more.
    std::erase_if(request.headers, [](const auto& header) { return header.first.starts_with("impersonate-"); });
  }
  FlowControl::Seat seat;
  if (request.method != "GET" && !watchers_.flow.try_write(*request.user, seat))
    seat = co_await watchers_.flow.enter_write(*request.user);
  co_return co_await next_.handle(std::move(request));
}

HttpResponse Doors::refuse_stranger(const HttpRequest& request) {
  HttpResponse response = next_.refuse_stranger(request);
  write_down(record_of(request), response.status, front_.now());
  return response;
}

void Doors::write_down(AuditRecord record, int code, Instant start) {
  if (!watchers_.audit || !watchers_.audit->wants(record.verb, record.resource, code)) return;
  record.code = code;
  record.took = front_.now() - start;
  record.received = front_.clock().wall() - record.took;
  watchers_.audit->record(std::move(record));
}

}  // namespace gantry::api::access
