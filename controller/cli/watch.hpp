// Following objects as they change: one list, then a watch that is taken up again where it ended.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "controller/cli/context.hpp"

namespace gantry::cli {

struct WatchRequest {
  std::string path;  // of the collection
  std::string accept = std::string(kJson);
  std::string label_selector;
  std::string field_selector;
};

struct WatchEvent {
  std::string type;  // ADDED, MODIFIED, DELETED
  json::Value object;
};

Request list_request(const WatchRequest& request);

// Calls on_event for everything after `revision`, until it returns false (then true) or the time is up (then false).
// Throws the server's error when the history has gone (Expired).
bool watch_from(Context& context, const WatchRequest& request, std::string revision, std::optional<Duration> timeout,
                const std::function<bool(const WatchEvent&)>& on_event);

// Calls `enough` with the object as it is now (null: absent) and after each change, until it says yes. False when the
// time was up. A server that goes away meanwhile is waited for.
bool wait_until(Context& context, const ApiResource& resource, const std::string& ns, const std::string& name,
                Duration timeout, const std::function<bool(const json::Value*)>& enough);

}  // namespace gantry::cli
