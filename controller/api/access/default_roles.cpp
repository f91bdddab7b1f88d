#include "controller/api/access/default_roles.hpp"

#include <algorithm>

#include "controller/api/access/role_book.hpp"
#include "controller/base/yaml.hpp"

namespace gantry::api::access {
namespace {

// cluster-admin, admin, edit and view are those of Kubernetes, for the kinds that are served here. edit and admin may
// not write Sources and Providers: what a Source brings is applied by the controller itself, whoever declared it.
constexpr std::string_view kDefaults = R"(
kind: ClusterRole
metadata: {name: cluster-admin}
rules:
- {apiGroups: ['*'], resources: ['*'], verbs: ['*']}
- {nonResourceURLs: ['*'], verbs: ['*']}
---
kind: ClusterRole
metadata: {name: admin}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-admin: 'true'}}]}
---
kind: ClusterRole
metadata: {name: edit, labels: {rbac.authorization.k8s.io/aggregate-to-admin: 'true'}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-edit: 'true'}}]}
---
kind: ClusterRole
metadata: {name: view, labels: {rbac.authorization.k8s.io/aggregate-to-edit: 'true'}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}]}
---
kind: ClusterRole
metadata: {name: 'system:aggregate-to-admin', labels: {rbac.authorization.k8s.io/aggregate-to-admin: 'true'}}
rules:
- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [create, delete, deletecollection, get, list, patch, update, watch]}
- {apiGroups: [authorization.k8s.io], resources: [localsubjectaccessreviews], verbs: [create]}
---
kind: ClusterRole
metadata: {name: 'system:aggregate-to-edit', labels: {rbac.authorization.k8s.io/aggregate-to-edit: 'true'}}
rules:
- {apiGroups: [''], resources: [configmaps, events, secrets, serviceaccounts], verbs: [create, delete, deletecollection, get, list, patch, update, watch]}
- {apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}
- {apiGroups: [''], resources: [serviceaccounts], verbs: [impersonate]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, delete, deletecollection, get, list, patch, update, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, delete, deletecollection, get, list, patch, update, watch]}
- {apiGroups: [gantry.dev], resources: [alarms, apps, apps/scale, releases, servers, snapshots, stacks, tunnels], verbs: [create, delete, deletecollection, get, list, patch, update, watch]}
---
kind: ClusterRole
metadata: {name: 'system:aggregate-to-view', labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}
rules:
- {apiGroups: [''], resources: [configmaps, events, namespaces, namespaces/status, pods, serviceaccounts, services], verbs: [get, list, watch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [get, list, watch]}
- {apiGroups: [gantry.dev], resources: ['*'], verbs: [get, list, watch]}
---
kind: ClusterRole
metadata: {name: 'system:monitoring'}
rules:
- {nonResourceURLs: [/metrics, /metrics/*, /healthz, /healthz/*, /livez, /livez/*, /readyz, /readyz/*], verbs: [get]}
---
kind: ClusterRole
metadata: {name: 'system:discovery'}
rules:
- {nonResourceURLs: [/, /api, /api/*, /apis, /apis/*, /openapi, /openapi/*, /version, /version/, /healthz, /healthz/*, /livez, /livez/*, /readyz, /readyz/*], verbs: [get]}
---
kind: ClusterRole
metadata: {name: 'system:basic-user'}
rules:
- {apiGroups: [authorization.k8s.io], resources: [selfsubjectaccessreviews, selfsubjectrulesreviews], verbs: [create]}
- {apiGroups: [authentication.k8s.io], resources: [selfsubjectreviews], verbs: [create]}
- {apiGroups: [plan.gantry.dev], resources: [plans], verbs: [create]}
- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list, watch]}
---
kind: ClusterRole
metadata: {name: 'system:auth-delegator'}
rules:
- {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
- {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
---
kind: ClusterRoleBinding
metadata: {name: cluster-admin}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: 'system:masters'}]
---
kind: ClusterRoleBinding
metadata: {name: 'system:monitoring'}
roleRef: {kind: ClusterRole, name: 'system:monitoring'}
subjects: [{kind: Group, name: 'system:monitoring'}, {kind: Group, name: 'gantry:metrics'}]
---
kind: ClusterRoleBinding
metadata: {name: 'system:discovery'}
roleRef: {kind: ClusterRole, name: 'system:discovery'}
subjects: [{kind: Group, name: 'system:authenticated'}]
---
kind: ClusterRoleBinding
metadata: {name: 'system:basic-user'}
roleRef: {kind: ClusterRole, name: 'system:basic-user'}
subjects: [{kind: Group, name: 'system:authenticated'}]
)";

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";
constexpr std::string_view kAutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";
constexpr std::string_view kMark = "kubernetes.io/bootstrapping";

std::string name_of(const json::Value& object) { return object.find("metadata")->string_or("name"); }

object::Resource resource_of(const json::Value& object) {
  return object.string_or("kind") == "ClusterRole" ? rbac().cluster_roles : rbac().cluster_role_bindings;
}

const std::vector<json::Value>& defaults() {
  static const std::vector<json::Value> all = [] {
    std::vector<json::Value> out;
    for (auto& document : yaml::parse_all(kDefaults)) {
      json::Value& object = document.value;
      object["apiVersion"] = std::string(kGroup) + "/v1";
      object["metadata"]["labels"][kMark] = "rbac-defaults";
      object["metadata"]["annotations"][kAutoUpdate] = "true";
      if (json::Value* ref = object.find("roleRef")) {
        (*ref)["apiGroup"] = kGroup;
        for (auto& subject : object["subjects"].as_array()) subject["apiGroup"] = kGroup;
      }
      out.push_back(std::move(object));
    }
    return out;
  }();
  return all;
}

// Adds the elements of a list that are not there. True when there were any.
bool add_missing(json::Value& object, const json::Value& wanted, std::string_view field) {
  const json::Value* from = wanted.find(field);
  if (!from) return false;
  json::Value& into = object[field];
  if (!into.is_array()) into = json::Array();
  bool added = false;
  for (const auto& element : from->as_array()) {
    if (std::ranges::find(into.as_array(), element) != into.as_array().end()) continue;
    into.as_array().push_back(element);
    added = true;
  }
  return added;
}

bool add_missing_labels(json::Value& object, const json::Value& wanted) {
  bool added = false;
  for (const auto& [key, value] : wanted.at({"metadata", "labels"})->as_object()) {
    json::Value& label = object["metadata"]["labels"][key];
    added = added || !(label == value);
    label = value;
  }
  return added;
}

bool may_update(const json::Value& live) {
  const json::Value* word = live.at({"metadata", "annotations", kAutoUpdate});
  return !word || !word->is_string() || word->as_string() != "false";
}

Task<> ensure(Plane& plane, const json::Value& wanted) {
  Target target;
  target.served = plane.catalogue.find(resource_of(wanted));
  WriteQuery query;
  query.manager = "gantry";
  Warnings warnings;
  const object::Key key{resource_of(wanted), {}, name_of(wanted)};
  const ObjectPtr live = plane.store.find(key);
  if (!live) {
    co_await verbs::create(plane, target, Body{wanted, {}}, query, warnings);
    co_return;
  }
  json::Value object = live->decode();
  if (!may_update(object)) co_return;
  bool changed = add_missing_labels(object, wanted);
  if (!wanted.find("aggregationRule")) changed = add_missing(object, wanted, "rules") || changed;
  changed = add_missing(object, wanted, "subjects") || changed;
  if (wanted.find("aggregationRule") && !object.find("aggregationRule")) {
    object["aggregationRule"] = *wanted.find("aggregationRule");
    changed = true;
  }
  target.name = key.name;
  if (changed) co_await verbs::update(plane, target, Body{std::move(object), {}}, query, warnings);
}

}  // namespace

bool is_default_role(const object::Key& key) {
  if (!key.ns.empty()) return false;
  return std::ranges::any_of(defaults(), [&](const json::Value& object) {
    return resource_of(object) == key.resource && name_of(object) == key.name;
  });
}

Task<> ensure_default_roles(Plane& plane) {
  if (!plane.catalogue.find(rbac().cluster_roles)) co_return;
  for (const auto& wanted : defaults()) co_await ensure(plane, wanted);
}

}  // namespace gantry::api::access
