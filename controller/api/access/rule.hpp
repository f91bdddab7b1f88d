// One rule of a role (rbac.authorization.k8s.io/v1 PolicyRule): what it allows, and whether rules together allow all
// that another one does. Pure; semantics as in kube-apiserver's RBAC authorizer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/authorizer.hpp"
#include "controller/base/json.hpp"

namespace gantry::api::access {

struct Rule {
  std::vector<std::string> verbs, groups, resources, names, paths;

  bool allows(const Access& access) const;
  // As allows(), for an object of any name.
  bool could_allow(const Access& access) const;
  bool operator==(const Rule&) const = default;
};

using Rules = std::vector<Rule>;
using RulesPtr = std::shared_ptr<const Rules>;

// Of a Role's or ClusterRole's rules; null or absent is none.
Rules read_rules(const json::Value* rules);
json::Value to_json(const Rule& rule);

// The rules of `wanted` of which `held` does not allow everything: what their writer would give and does not have.
// Throws Error(Forbidden) when there are more combinations than can be compared.
Rules not_covered(const std::vector<RulesPtr>& held, const Rules& wanted);

// {APIGroups:["gantry.dev"], Resources:["apps"], Verbs:["get"]}, as kube-apiserver's refusals show it.
std::string to_text(const Rule& rule);

}  // namespace gantry::api::access
