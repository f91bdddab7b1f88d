#include "controller/api/access/rbac_kinds.hpp"

#include "controller/object/field_error.hpp"
#include "controller/object/names.hpp"

namespace gantry::api::access {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

bool empty_list(const json::Value& value, std::string_view field) {
  const json::Value* list = value.find(field);
  return !list || !list->is_array() || list->as_array().empty();
}

void check_rule(const json::Value& rule, const std::string& at, bool namespaced, std::vector<FieldError>& causes) {
  if (empty_list(rule, "verbs"))
    causes.push_back(object::required(at + ".verbs", "verbs must contain at least one value"));
  if (!empty_list(rule, "nonResourceURLs")) {
    const json::Value& paths = *rule.find("nonResourceURLs");
    if (namespaced) {
      causes.push_back(
          object::invalid(at + ".nonResourceURLs", paths, "namespaced rules cannot apply to non-resource URLs"));
    }
    if (!empty_list(rule, "apiGroups") || !empty_list(rule, "resources") || !empty_list(rule, "resourceNames")) {
      causes.push_back(object::invalid(at + ".nonResourceURLs", paths,
                                       "rules cannot apply to both regular resources and non-resource URLs"));
    }
    return;
  }
  if (empty_list(rule, "apiGroups"))
    causes.push_back(object::required(at + ".apiGroups", "resource rules must supply at least one api group"));
  if (empty_list(rule, "resources"))
    causes.push_back(object::required(at + ".resources", "resource rules must supply at least one resource"));
}

void check_role(const json::Value& role, bool namespaced, std::vector<FieldError>& causes) {
  if (const json::Value* rules = role.find("rules"); rules && rules->is_array()) {
    std::size_t i = 0;
    for (const auto& rule : rules->as_array())
      check_rule(rule, "rules[" + std::to_string(i++) + "]", namespaced, causes);
  }
  const json::Value* selectors = role.at({"aggregationRule", "clusterRoleSelectors"});
  if (role.find("aggregationRule") && (!selectors || !selectors->is_array() || selectors->as_array().empty())) {
    causes.push_back(object::required("aggregationRule.clusterRoleSelectors",
                                      "at least one clusterRoleSelector required if aggregationRule is non-nil"));
  }
}

void check_subject(const json::Value& subject, const std::string& at, bool namespaced,
                   std::vector<FieldError>& causes) {
  const std::string kind = subject.string_or("kind"), group = subject.string_or("apiGroup"),
                    name = subject.string_or("name");
  if (name.empty()) causes.push_back(object::required(at + ".name"));
  if (kind == "ServiceAccount") {
    static const std::vector<std::string> kNone{""};
    if (!group.empty()) causes.push_back(object::not_supported(at + ".apiGroup", group, kNone));
    if (const std::string problem = object::subdomain_problem(name); !name.empty() && !problem.empty())
      causes.push_back(object::invalid(at + ".name", name, problem));
    if (!namespaced && subject.string_or("namespace").empty()) causes.push_back(object::required(at + ".namespace"));
  } else if (kind == "User" || kind == "Group") {
    static const std::vector<std::string> kOurs{std::string(kGroup)};
    if (group != kGroup) causes.push_back(object::not_supported(at + ".apiGroup", group, kOurs));
  } else {
    static const std::vector<std::string> kKinds{"Group", "ServiceAccount", "User"};
    causes.push_back(object::not_supported(at + ".kind", kind, kKinds));
  }
}

void check_binding(const json::Value& binding, const json::Value* old, bool namespaced,
                   std::vector<FieldError>& causes) {
  const json::Value& ref = *binding.find("roleRef");
  const std::string kind = ref.string_or("kind");
  if (ref.string_or("apiGroup") != kGroup) {
    static const std::vector<std::string> kOurs{std::string(kGroup)};
    causes.push_back(object::not_supported("roleRef.apiGroup", ref.string_or("apiGroup"), kOurs));
  }
  if (kind != "ClusterRole" && !(namespaced && kind == "Role")) {
    static const std::vector<std::string> kBoth{"ClusterRole", "Role"}, kCluster{"ClusterRole"};
    causes.push_back(object::not_supported("roleRef.kind", kind, namespaced ? kBoth : kCluster));
  }
  if (ref.string_or("name").empty()) {
    causes.push_back(object::required("roleRef.name"));
  } else if (const std::string problem = object::path_segment_problem(ref.string_or("name")); !problem.empty()) {
    causes.push_back(object::invalid("roleRef.name", ref.string_or("name"), problem));
  }
  if (const json::Value* subjects = binding.find("subjects"); subjects && subjects->is_array()) {
    std::size_t i = 0;
    for (const auto& subject : subjects->as_array())
      check_subject(subject, "subjects[" + std::to_string(i++) + "]", namespaced, causes);
  }
  // Who looked at the binding's subjects would otherwise have agreed to another role.
  if (old && old->find("roleRef") && !(*old->find("roleRef") == ref))
    causes.push_back(object::invalid("roleRef", ref, "cannot change roleRef"));
}

bool is_role(const Served& served) { return served.kind->plural == "roles" || served.kind->plural == "clusterroles"; }

}  // namespace

bool is_rbac(const Served& served) { return served.kind->group == kGroup; }

void prepare_rbac(const Served& served, json::Value& object) {
  if (is_role(served)) return;
  if (json::Value* ref = object.find("roleRef"); ref && ref->is_object() && ref->string_or("apiGroup").empty())
    (*ref)["apiGroup"] = kGroup;
  json::Value* subjects = object.find("subjects");
  if (!subjects || !subjects->is_array()) return;
  for (auto& subject : subjects->as_array()) {
    if (!subject.is_object() || !subject.string_or("apiGroup").empty()) continue;
    if (subject.string_or("kind") == "ServiceAccount")
      subject.as_object().erase("apiGroup");
    else
      subject["apiGroup"] = kGroup;
  }
}

void check_rbac(const Served& served, const json::Value& object, const json::Value* old,
                std::vector<FieldError>& causes) {
  if (is_role(served))
    check_role(object, served.kind->namespaced, causes);
  else
    check_binding(object, old, served.kind->namespaced, causes);
}

}  // namespace gantry::api::access
