#include "controller/cli/watch.hpp"

#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

constexpr auto kRetryDelay = std::chrono::milliseconds(500);

// The revision that the next watch starts from. Table events carry it in their row's object.
std::string revision_in(const json::Value& object) {
  if (std::string revision = metadata_of(object, "resourceVersion"); !revision.empty()) return revision;
  const json::Value* rows = object.find("rows");
  if (!rows || !rows->is_array() || rows->as_array().empty()) return {};
  const json::Value* row_object = rows->as_array().front().find("object");
  return row_object ? metadata_of(*row_object, "resourceVersion") : std::string();
}

}  // namespace

Request list_request(const WatchRequest& request) {
  Request list;
  list.path =
      request.path + query({{"labelSelector", request.label_selector}, {"fieldSelector", request.field_selector}});
  list.accept = request.accept;
  return list;
}

bool watch_from(Context& context, const WatchRequest& request, std::string revision, std::optional<Duration> timeout,
                const std::function<bool(const WatchEvent&)>& on_event) {
  const Instant end = context.clock().now() + timeout.value_or(Duration::zero());
  bool done = false;
  while (!done) {
    Request watch;
    watch.path = request.path + query({{"watch", "true"},
                                       {"allowWatchBookmarks", "true"},
                                       {"resourceVersion", revision},
                                       {"labelSelector", request.label_selector},
                                       {"fieldSelector", request.field_selector}});
    watch.accept = request.accept;
    bool anything = false;
    const auto on_line = [&](std::string_view line) {
      if (line.empty()) return true;
      json::Value frame = json::parse(line);
      json::Value* object = frame.find("object");
      if (!object) return true;
      WatchEvent event{frame.string_or("type"), std::move(*object)};
      if (event.type == "ERROR") throw error_of_status(event.object, 500);
      anything = true;
      if (std::string moved = revision_in(event.object); !moved.empty()) revision = std::move(moved);
      if (event.type == "BOOKMARK") return true;
      done = !on_event(event);
      return !done;
    };
    const auto left = timeout ? std::optional(Duration(end - context.clock().now())) : std::nullopt;
    if (left && *left <= Duration::zero()) return false;
    if (!context.server().stream(watch, on_line, left)) return false;
    if (!done && !anything) context.server().pause(kRetryDelay);  // a server that hangs up at once is not hammered
  }
  return true;
}

bool wait_until(Context& context, const ApiResource& resource, const std::string& ns, const std::string& name,
                Duration timeout, const std::function<bool(const json::Value*)>& enough) {
  const Instant end = context.clock().now() + timeout;
  WatchRequest request;
  request.path = resource.path(ns);
  request.field_selector = "metadata.name=" + name;
  while (true) {
    try {
      const json::Value list = context.ask(list_request(request));
      const json::Value* items = list.find("items");
      const bool here = items && items->is_array() && !items->as_array().empty();
      if (enough(here ? &items->as_array().front() : nullptr)) return true;
      const Duration left = end - context.clock().now();
      if (left <= Duration::zero()) return false;
      return watch_from(context, request, metadata_of(list, "resourceVersion"), left, [&](const WatchEvent& event) {
        return !enough(event.type == "DELETED" ? nullptr : &event.object);
      });
    } catch (const Error& error) {
      const bool passing = error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Expired ||
                           error.code() == ErrorCode::RateLimited;
      if (!passing || context.clock().now() + kRetryDelay >= end) throw;
    }
    context.server().pause(kRetryDelay);
  }
}

}  // namespace gantry::cli
