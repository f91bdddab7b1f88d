#include "controller/api/access/escalation.hpp"

#include "controller/api/status.hpp"

namespace gantry::api::access {
namespace {

std::string who(const User& user) {
  std::string out = "user " + object::quoted(user.name) + " (groups=[";
  for (std::size_t i = 0; i < user.groups.size(); ++i) out.append(i ? " " : "").append(object::quoted(user.groups[i]));
  return out + "])";
}

Error refusal(const Review& review, const std::string& why) {
  return forbidden(review.kind.resource, review.object.text_at({"metadata", "name"}), why);
}

void require_held(const Policy& policy, const Review& review, const Rules& wanted) {
  const Rules missing =
      not_covered(policy.held(*review.user, review.object.text_at({"metadata", "namespace"})), wanted);
  if (missing.empty()) return;
  std::string why = who(*review.user) + " is attempting to grant RBAC permissions not currently held:";
  for (const auto& rule : missing) why += "\n" + to_text(rule);
  throw refusal(review, why);
}

// The garbage collector, and whoever lets an object go, gives nothing by it. A label may: aggregation selects by them.
bool only_lets_go(const Review& review) {
  if (!review.old) return false;
  json::Value now = review.object, before = *review.old;
  for (json::Value* object : {&now, &before}) {
    json::Value& metadata = (*object)["metadata"];
    for (const auto field : {"finalizers", "ownerReferences", "managedFields", "resourceVersion", "deletionTimestamp",
                             "deletionGracePeriodSeconds"})
      metadata.as_object().erase(field);
  }
  return now == before;
}

void check_role(const Policy& policy, const Review& review) {
  if (only_lets_go(review)) return;
  const std::string ns = review.object.text_at({"metadata", "namespace"}),
                    name = review.object.text_at({"metadata", "name"});
  if (policy.allow(*review.user, {"escalate", review.kind.group, review.kind.plural, {}, ns, name, {}})) return;
  if (review.object.find("aggregationRule") || (review.old && review.old->find("aggregationRule"))) {
    // What it will gather nobody can know yet.
    static const Rules kEverything{{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}};
    if (!not_covered(policy.held(*review.user, {}), kEverything).empty())
      throw refusal(review, "must have cluster-admin privileges to use an aggregationRule");
  }
  require_held(policy, review, read_rules(review.object.find("rules")));
}

void check_binding(const Policy& policy, const Review& review) {
  if (only_lets_go(review)) return;
  const std::string ns = review.object.text_at({"metadata", "namespace"});
  const RoleRef role = read_role_ref(review.object, ns);
  const std::string_view plural = role.cluster ? "clusterroles" : "roles";
  if (policy.allow(*review.user, {"bind", review.kind.group, plural, {}, ns, role.name, {}})) return;
  const RulesPtr rules = policy.rules_of(role);
  if (!rules) throw not_found(role.cluster ? rbac().cluster_roles : rbac().roles, role.name);
  require_held(policy, review, *rules);
}

}  // namespace

void refuse_escalation(Api& api, std::shared_ptr<const Policy> policy) {
  const auto add = [&](object::Resource resource, void (*check)(const Policy&, const Review&)) {
    api.add_check(resource, [policy, check](const Review& review, std::vector<FieldError>& causes) {
      if (review.user && causes.empty()) check(*policy, review);
    });
  };
  add(rbac().roles, check_role);
  add(rbac().cluster_roles, check_role);
  add(rbac().role_bindings, check_binding);
  add(rbac().cluster_role_bindings, check_binding);
}

}  // namespace gantry::api::access
