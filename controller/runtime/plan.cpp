#include "controller/runtime/plan.hpp"

#include "controller/runtime/reconciler.hpp"

namespace gantry::runtime {

std::string_view to_string(Action::Verb verb) {
  switch (verb) {
    case Action::Verb::Create:
      return "Create";
    case Action::Verb::Update:
      return "Update";
    case Action::Verb::Replace:
      return "Replace";
    case Action::Verb::Delete:
      return "Delete";
    case Action::Verb::Run:
      return "Run";
  }
  return "Run";
}

std::string count_of(const Plan& plan) {
  return std::to_string(plan.actions.size()) + (plan.actions.size() == 1 ? " action" : " actions");
}

json::Value to_json(const Plan& plan) {
  json::Array actions;
  actions.reserve(plan.actions.size());
  for (const Action& action : plan.actions) {
    json::Object item{{"destructive", action.destructive},
                      {"reason", action.reason},
                      {"target", action.target},
                      {"type", action.type},
                      {"verb", to_string(action.verb)}};
    if (!action.before.is_null()) item.set("before", action.before);
    if (!action.after.is_null()) item.set("after", action.after);
    actions.emplace_back(std::move(item));
  }
  json::Object out{{"actions", std::move(actions)}, {"blocked", plan.blocked}};
  if (plan.blocked) {
    out.set("blockedReason", plan.blocked_reason);
    out.set("blockedMessage", plan.blocked_message);
  }
  return out;
}

std::string Subject::annotation(std::string_view name) const {
  const json::Value* annotations = json.at({"metadata", "annotations"});
  return annotations ? annotations->string_or(name) : std::string();
}

bool Subject::paused() const { return annotation("gantry.dev/paused") == "true"; }
bool Subject::retained() const { return annotation("gantry.dev/deletion-policy") == "Retain"; }

}  // namespace gantry::runtime
