// What the reconcilers of things at a provider have in common: how their plans are written down, and what they keep on
// the object about a thing that is being made.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/api/client.hpp"
#include "controller/runtime/reconciler.hpp"
#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

void block(runtime::Plan& plan, std::string reason, std::string message);

struct Step {
  std::string reason;
  json::Value before{};
  json::Value after{};
  bool destructive = false;
};
void add_step(runtime::Plan& plan, runtime::Action::Verb verb, std::string type, std::string target, Step step);

// gantry.dev/create-pending, "<what> <time>": durable before a call that makes something, so that whoever comes after a
// crash knows that the call may have been made.
struct Pending {
  std::string what;
  WallTime since{};
};
std::optional<Pending> pending_of(const runtime::Subject& subject);
json::Value pending_value(const std::string& what, WallTime now);
// How long to wait before looking again, while what was made then may still be invisible; absent: no longer.
std::optional<Duration> still_invisible(const std::optional<Pending>& pending, const providers::Capabilities& can,
                                        WallTime now);

// Sets annotations of the object (null: takes one away), unless it is another object by now.
Task<> annotate(api::Client& client, const runtime::Subject& subject, json::Object annotations,
                std::string field_manager);

}  // namespace gantry::reconcilers::provider
