// The Roles, ClusterRoles and bindings of the store, as decisions need them: rules read, aggregated rules gathered, and
// bindings found by whom they are for. Follows the store's own history, so that a role counts from the moment that its
// write was acknowledged. Front reactor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/api/access/rule.hpp"
#include "controller/object/selector.hpp"
#include "controller/store/store.hpp"

namespace gantry::api::access {

struct RbacResources {
  object::Resource roles, cluster_roles, role_bindings, cluster_role_bindings;
};
const RbacResources& rbac();

// The user name of a ServiceAccount: system:serviceaccount:NS:NAME.
std::string service_account_user(std::string_view ns, std::string_view name);

// The role that a binding gives.
struct RoleRef {
  bool cluster = false;  // a ClusterRole
  std::string ns;        // of a Role
  std::string name;
};
RoleRef read_role_ref(const json::Value& binding, std::string_view ns);

class RoleBook {
 public:
  explicit RoleBook(store::Store& store) : store_(store) {}

  // Reads what has changed since. True when anything has.
  bool catch_up();

  // What is given to a user or group: everywhere, or in one namespace.
  struct Grant {
    std::string ns;  // empty: everywhere
    RulesPtr rules;
  };
  // The grants for this name ("User", "alice") are appended.
  void grants_of(std::string_view kind, std::string_view name, std::vector<Grant>& out) const;

  // Null when there is no such role. Of a ClusterRole with an aggregationRule: what it gathers.
  RulesPtr rules_of(const RoleRef& role) const;
  // The ClusterRoles that gather others, each with what its stored rules should be.
  std::vector<std::pair<std::string, RulesPtr>> stale_aggregations() const;

 private:
  struct Role {
    RulesPtr rules;
    object::Meta meta;
    std::vector<object::LabelSelector> gathers;
    bool aggregates = false;
  };
  struct Binding {
    RoleRef role;
    std::string ns;
    std::vector<std::string> subjects;  // "User alice"
  };
  void read(const store::ObjectPtr& object);
  void forget(const object::Key& key);
  void read_all();
  RulesPtr gathered(const std::string& name, std::unordered_set<std::string>& under_way) const;

  store::Store& store_;
  std::vector<std::unique_ptr<store::Watch>> watches_;
  object::Revision seen_ = 0;
  std::unordered_map<object::Key, Role, object::KeyHash> roles_;
  std::unordered_map<object::Key, Binding, object::KeyHash> bindings_;
  std::map<std::string, std::unordered_set<object::Key, object::KeyHash>, std::less<>> by_subject_;
  mutable std::unordered_map<std::string, RulesPtr> gathered_;
};

}  // namespace gantry::api::access
