#include "tests/world/cloud.hpp"

#include <algorithm>

#include "controller/base/json.hpp"

namespace gantry::world {
namespace {

using runtime::Action;

struct SeenGadgets final : runtime::Seen {
  std::vector<Cloud::Gadget> gadgets;
};

const SeenGadgets& gadgets_in(const runtime::Seen& seen) { return static_cast<const SeenGadgets&>(seen); }

std::int64_t spec_int(const runtime::Subject& subject, const char* field, std::int64_t otherwise) {
  const json::Value* spec = subject.json.find("spec");
  return spec ? spec->int_or(field, otherwise) : otherwise;
}

Action action(Action::Verb verb, int part, std::string reason) {
  Action made;
  made.verb = verb;
  made.type = "gadget";
  made.target = std::to_string(part);
  made.reason = std::move(reason);
  made.detail = part;
  return made;
}

}  // namespace

std::vector<Cloud::Gadget> Cloud::of(const std::string& uid) const {
  std::vector<Gadget> some;
  for (const auto& gadget : gadgets) {
    if (gadget.owner_uid == uid) some.push_back(gadget);
  }
  return some;
}

std::vector<std::string> Cloud::names() const {
  std::vector<std::string> all;
  for (const auto& gadget : gadgets) {
    all.push_back(gadget.name + "/" + std::to_string(gadget.part) + "=" + std::to_string(gadget.size));
  }
  std::ranges::sort(all);
  return all;
}

json::Value gadget_definition() {
  return json::parse(R"({
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.test.gantry.dev"},
    "spec": {"group": "test.gantry.dev", "scope": "Namespaced",
      "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
      "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
          "spec": {"type": "object", "properties": {
            "parts": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 1},
            "size": {"type": "integer", "default": 1},
            "note": {"type": "string"},
            "secretRef": {"type": "object", "properties": {"name": {"type": "string"}}},
            "dependsOn": {"type": "array", "items": {"type": "object", "properties": {
              "kind": {"type": "string"}, "name": {"type": "string"}, "condition": {"type": "string"}}}}}},
          "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})");
}

Task<runtime::SeenPtr> GadgetReconciler::observe(const runtime::Subject& subject) {
  if (before_observe) before_observe(subject);
  auto seen = std::make_shared<SeenGadgets>();
  co_await line_.pass<void>("cloud list", [&]() -> Task<> {
    seen->gadgets = cloud_.of(subject.meta().uid);
    co_return;
  });
  co_return seen;
}

runtime::Plan GadgetReconciler::plan(const runtime::Subject& subject, const runtime::Seen& seen) {
  runtime::Plan plan;
  const auto& there = gadgets_in(seen).gadgets;
  const auto parts = subject.meta().deleting ? 0 : spec_int(subject, "parts", 1);
  const auto size = spec_int(subject, "size", 1);
  for (int part = 0; part < parts; ++part) {
    const auto found = std::ranges::find(there, part, &Cloud::Gadget::part);
    if (found == there.end()) {
      plan.actions.push_back(action(Action::Verb::Create, part, "it is not there"));
    } else if (found->size != size) {
      Action update = action(Action::Verb::Update, part, "its size differs");
      update.before = json::Object{{"size", found->size}};
      update.after = json::Object{{"size", size}};
      plan.actions.push_back(std::move(update));
    }
  }
  for (const auto& gadget : there) {
    if (gadget.part < parts) continue;
    plan.actions.push_back(action(Action::Verb::Delete, gadget.part, "it is not wanted"));
    plan.actions.back().destructive = true;
  }
  plan.look_again = subject.meta().deleting ? std::nullopt : look_again;
  return plan;
}

Task<> GadgetReconciler::act(const runtime::Subject& subject, const runtime::Seen&, const Action& action,
                             runtime::Notes& notes) {
  if (before_act) co_await before_act(subject, action);
  const int part = static_cast<int>(action.detail.as_int());
  const std::string what = std::string(to_string(action.verb)) + " " + subject.key().name + "/" + action.target;
  co_await line_.pass<void>("cloud " + what, [&]() -> Task<> {
    ++cloud_.mutations;
    cloud_.log.push_back(what);
    const auto is_it = [&](const Cloud::Gadget& gadget) {
      return gadget.owner_uid == subject.meta().uid && gadget.part == part;
    };
    if (action.verb == Action::Verb::Create) {
      cloud_.gadgets.push_back({subject.meta().uid, subject.key().name, part, spec_int(subject, "size", 1)});
    } else if (action.verb == Action::Verb::Delete) {
      std::erase_if(cloud_.gadgets, is_it);
    } else {
      std::ranges::find_if(cloud_.gadgets, is_it)->size = spec_int(subject, "size", 1);
    }
    co_return;
  });
  notes.note({false, std::string(to_string(action.verb)) + "d", "gadget " + action.target + ": " + action.reason});
}

runtime::Report GadgetReconciler::report(const runtime::Subject&, const runtime::Seen& seen,
                                         const runtime::Plan& plan) {
  runtime::Report report;
  report.status = json::Object{{"parts", gadgets_in(seen).gadgets.size()}};
  if (plan.actions.empty()) {
    report.conditions = {{"Ready", "True", "AsDeclared", ""}};
  } else {
    report.conditions = {{"Ready", "False", "Different", std::to_string(plan.actions.size()) + " steps left"}};
  }
  return report;
}

}  // namespace gantry::world
