// RBAC: whether a role that is bound to the user, or to one of the user's groups, allows what is asked. Members of
// system:masters may do everything, whatever the roles say: that is the way back in.
//
// What a user is given is gathered at the first question and kept until any role or binding changes, and so is every
// answer; an answer that is known costs a hash of the question. Front reactor.
#pragma once

#include "controller/api/access/role_book.hpp"
#include "controller/api/authorizer.hpp"

namespace gantry::api::access {

inline constexpr std::string_view kMasters = "system:masters";

class Policy final : public Authorizer {
 public:
  // store must outlive it.
  explicit Policy(store::Store& store) : book_(store) {}

  bool allow(const User& user, const Access& access) const override;
  bool allow_somewhere(const User& user, const Access& access) const override;
  json::Value rules(const User& user, std::string_view ns) const override;

  // All that the user is given in this namespace; empty: what holds everywhere.
  std::vector<RulesPtr> held(const User& user, std::string_view ns) const;
  // Null when there is no such role.
  RulesPtr rules_of(const RoleRef& role) const;
  std::vector<std::pair<std::string, RulesPtr>> stale_aggregations() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class T>
  using ByText = std::unordered_map<std::string, T, Hash, std::equal_to<>>;

  enum class Answer : unsigned char { No, Yes, ByName };
  struct Holder {
    std::vector<RulesPtr> everywhere;
    ByText<std::vector<RulesPtr>> in_namespace;
    mutable ByText<Answer> answers;  // by question
  };
  const Holder& holder_of(const User& user) const;
  Answer judge(const Holder& holder, const Access& access) const;
  void catch_up() const;

  mutable RoleBook book_;
  mutable ByText<std::unique_ptr<Holder>> holders_;  // by user and groups
};

bool is_master(const User& user);

}  // namespace gantry::api::access
