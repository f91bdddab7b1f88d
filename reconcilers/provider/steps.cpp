#include "reconcilers/provider/steps.hpp"

namespace gantry::reconcilers::provider {

void block(runtime::Plan& plan, std::string reason, std::string message) {
  plan.blocked = true;
  plan.blocked_reason = std::move(reason);
  plan.blocked_message = std::move(message);
}

void add_step(runtime::Plan& plan, runtime::Action::Verb verb, std::string type, std::string target, Step step) {
  plan.actions.push_back({verb,
                          std::move(type),
                          std::move(target),
                          std::move(step.reason),
                          std::move(step.before),
                          std::move(step.after),
                          step.destructive,
                          {}});
}

std::optional<Pending> pending_of(const runtime::Subject& subject) {
  const std::string text = subject.annotation("gantry.dev/create-pending");
  const std::size_t blank = text.find(' ');
  if (blank == std::string::npos) return std::nullopt;
  return Pending{text.substr(0, blank), parse_time(text.substr(blank + 1))};
}

json::Value pending_value(const std::string& what, WallTime now) { return what + " " + format_time(now); }

std::optional<Duration> still_invisible(const std::optional<Pending>& pending, const providers::Capabilities& can,
                                        WallTime now) {
  if (!pending) return std::nullopt;
  const Duration left = pending->since + can.visible_within - now;
  if (left <= Duration{}) return std::nullopt;
  return std::min<Duration>(left + std::chrono::milliseconds(10), can.poll_every);
}

Task<> annotate(api::Client& client, const runtime::Subject& subject, json::Object annotations,
                std::string field_manager) {
  const json::Object patch{
      {"metadata", json::Object{{"uid", subject.meta().uid}, {"annotations", json::Value(std::move(annotations))}}}};
  co_await client.patch(subject.key(), api::PatchType::Merge, json::Value(patch),
                        {.field_manager = std::move(field_manager)});
}

}  // namespace gantry::reconcilers::provider
