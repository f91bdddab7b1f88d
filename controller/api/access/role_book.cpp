#include "controller/api/access/role_book.hpp"

#include <algorithm>

#include "controller/base/error.hpp"

namespace gantry::api::access {
namespace {

std::string subject_key(std::string_view kind, std::string_view name) {
  return std::string(kind).append(" ").append(name);
}

// A ServiceAccount is the user that its tokens make of it.
std::string subject_of(const json::Value& subject, std::string_view binding_ns) {
  const std::string kind = subject.string_or("kind"), name = subject.string_or("name");
  if (kind != "ServiceAccount") return subject_key(kind, name);
  const std::string ns = subject.string_or("namespace", binding_ns);
  if (ns.empty()) return {};
  return subject_key("User", service_account_user(ns, name));
}

std::vector<object::LabelSelector> read_selectors(const json::Value& role) {
  std::vector<object::LabelSelector> out;
  const json::Value* selectors = role.at({"aggregationRule", "clusterRoleSelectors"});
  if (!selectors || !selectors->is_array()) return out;
  for (const auto& selector : selectors->as_array()) out.push_back(object::LabelSelector::from_json(selector));
  return out;
}

}  // namespace

const RbacResources& rbac() {
  static const RbacResources resources = [] {
    const auto of = [](std::string_view plural) { return object::Resource::of("rbac.authorization.k8s.io", plural); };
    return RbacResources{of("roles"), of("clusterroles"), of("rolebindings"), of("clusterrolebindings")};
  }();
  return resources;
}

std::string service_account_user(std::string_view ns, std::string_view name) {
  return std::string("system:serviceaccount:").append(ns).append(":").append(name);
}

RoleRef read_role_ref(const json::Value& binding, std::string_view ns) {
  const json::Value* ref = binding.find("roleRef");
  if (!ref || !ref->is_object()) return {};
  const bool cluster = ref->string_or("kind") == "ClusterRole";
  return {cluster, cluster ? std::string() : std::string(ns), ref->string_or("name")};
}

bool RoleBook::catch_up() {
  if (!watches_.empty() && store_.revision() == seen_) return false;
  bool changed = false;
  try {
    if (watches_.empty()) {
      read_all();
      return true;
    }
    for (const auto& watch : watches_) {
      for (auto events = watch->ready(); !events.empty(); events = watch->ready()) {
        changed = true;
        for (const auto& event : events) {
          if (event->type == store::Event::Type::Deleted)
            forget(event->object->key());
          else
            read(event->object);
        }
      }
    }
    seen_ = store_.revision();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Expired) throw;
    read_all();  // nobody has asked for so long that the history is gone
    changed = true;
  }
  if (changed) gathered_.clear();
  return changed;
}

void RoleBook::read_all() {
  watches_.clear();
  roles_.clear();
  bindings_.clear();
  by_subject_.clear();
  gathered_.clear();
  seen_ = store_.revision();
  const auto& [roles, cluster_roles, role_bindings, cluster_role_bindings] = rbac();
  for (const auto& resource : {roles, cluster_roles, role_bindings, cluster_role_bindings}) {
    for (const auto& object : store_.list(resource).items) read(object);
    watches_.push_back(store_.watch(resource, seen_));
  }
}

void RoleBook::read(const store::ObjectPtr& object) {
  const object::Key& key = object->key();
  forget(key);
  const json::Value value = object->decode();
  if (key.resource == rbac().roles || key.resource == rbac().cluster_roles) {
    const json::Value* aggregation = value.find("aggregationRule");
    roles_[key] = Role{std::make_shared<const Rules>(read_rules(value.find("rules"))), object->meta(),
                       read_selectors(value), aggregation && aggregation->is_object()};
    return;
  }
  Binding binding{read_role_ref(value, key.ns), key.ns, {}};
  const json::Value* subjects = value.find("subjects");
  if (subjects && subjects->is_array()) {
    for (const auto& subject : subjects->as_array()) {
      std::string name = subject_of(subject, key.ns);
      if (name.empty()) continue;
      by_subject_[name].insert(key);
      binding.subjects.push_back(std::move(name));
    }
  }
  bindings_[key] = std::move(binding);
}

void RoleBook::forget(const object::Key& key) {
  roles_.erase(key);
  const auto binding = bindings_.find(key);
  if (binding == bindings_.end()) return;
  for (const auto& subject : binding->second.subjects) {
    const auto entry = by_subject_.find(subject);
    if (entry == by_subject_.end()) continue;
    entry->second.erase(key);
    if (entry->second.empty()) by_subject_.erase(entry);
  }
  bindings_.erase(binding);
}

void RoleBook::grants_of(std::string_view kind, std::string_view name, std::vector<Grant>& out) const {
  const auto entry = by_subject_.find(subject_key(kind, name));
  if (entry == by_subject_.end()) return;
  for (const auto& key : entry->second) {
    const Binding& binding = bindings_.at(key);
    // A role that is not there gives nothing, until it is.
    if (RulesPtr rules = rules_of(binding.role)) out.push_back({binding.ns, std::move(rules)});
  }
}

RulesPtr RoleBook::rules_of(const RoleRef& role) const {
  const auto found = roles_.find({role.cluster ? rbac().cluster_roles : rbac().roles, role.ns, role.name});
  if (found == roles_.end()) return nullptr;
  if (!found->second.aggregates) return found->second.rules;
  std::unordered_set<std::string> under_way;
  return gathered(role.name, under_way);
}

// Roles may gather roles that gather; one that would gather itself adds nothing by that.
RulesPtr RoleBook::gathered(const std::string& name, std::unordered_set<std::string>& under_way) const {
  if (const auto known = gathered_.find(name); known != gathered_.end()) return known->second;
  const Role& role = roles_.at({rbac().cluster_roles, {}, name});
  const bool outermost = under_way.empty();
  under_way.insert(name);
  std::map<std::string, RulesPtr> parts;  // in the order of names, so that the outcome is always the same
  for (const auto& [key, other] : roles_) {
    if (key.resource != rbac().cluster_roles || under_way.contains(key.name)) continue;
    const bool selected =
        std::ranges::any_of(role.gathers, [&](const auto& selector) { return selector.matches(other.meta); });
    if (selected) parts[key.name] = other.aggregates ? gathered(key.name, under_way) : other.rules;
  }
  under_way.erase(name);
  Rules all;
  for (const auto& [part, rules] : parts) {
    for (const auto& rule : *rules) {
      if (std::ranges::find(all, rule) == all.end()) all.push_back(rule);
    }
  }
  auto made = std::make_shared<const Rules>(std::move(all));
  // What was gathered on the way round a circle lacks a part of it.
  if (outermost) gathered_[name] = made;
  return made;
}

std::vector<std::pair<std::string, RulesPtr>> RoleBook::stale_aggregations() const {
  std::vector<std::pair<std::string, RulesPtr>> out;
  for (const auto& [key, role] : roles_) {
    if (!role.aggregates || key.resource != rbac().cluster_roles) continue;
    RulesPtr wanted = rules_of({true, {}, key.name});
    if (*wanted != *role.rules) out.emplace_back(key.name, std::move(wanted));
  }
  return out;
}

}  // namespace gantry::api::access
