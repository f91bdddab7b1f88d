// An API that RBAC watches over, with its default roles; `user` of the fixture is who asks.
#pragma once

#include "controller/api/access/guard.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {

inline const std::string kRbac = "/apis/rbac.authorization.k8s.io/v1";
inline const std::string kClusterRoles = kRbac + "/clusterroles";
inline const std::string kClusterRoleBindings = kRbac + "/clusterrolebindings";
inline const std::string kRoles = kRbac + "/namespaces/default/roles";
inline const std::string kRoleBindings = kRbac + "/namespaces/default/rolebindings";
inline const std::string kAccounts = "/api/v1/namespaces/default/serviceaccounts";

class RbacTest : public ApiTest {
 protected:
  RbacTest() { watch_over({}); }
  ~RbacTest() override { leave(); }

  void watch_over(access::FlowControl::Limits flow, std::optional<access::AuditLog::Options> audit = {}) {
    leave();
    open();
    access::GuardOptions options{
        .known = {}, .signing_key = SigningKey::generate(), .flow = flow, .quotas = quotas, .audit = std::move(audit)};
    guard = std::make_unique<access::Guard>(*api, blocking, std::move(options));
    front.spawn(guard->prepare());
    settle();
    as_admin();
  }
  void settle() {
    while (front.poll() > 0) {
    }
  }

  void as_admin() { user = User{"root", "", {"system:masters", "system:authenticated"}}; }
  void as(std::string name, std::vector<std::string> groups = {}) {
    groups.emplace_back("system:authenticated");
    user = User{std::move(name), "", std::move(groups)};
  }

  // By the administrator; who asks stays who asks.
  void make_role(const std::string& name, const std::string& rules, const std::string& collection = kRoles) {
    const auto before = std::exchange(user, User{"root", "", {"system:masters"}});
    const auto made = post(collection, R"({"metadata":{"name":")" + name + R"("},"rules":)" + rules + "}");
    ASSERT_EQ(made.status, 201) << made.text;
    user = before;
  }
  // subject: {"kind":"User","name":"alice"}; role: "Role/x" or "ClusterRole/x".
  void bind(const std::string& name, const std::string& role, const std::string& subject,
            const std::string& collection = kRoleBindings) {
    const auto before = std::exchange(user, User{"root", "", {"system:masters"}});
    const auto slash = role.find('/');
    const auto made =
        post(collection, R"({"metadata":{"name":")" + name + R"("},"roleRef":{"kind":")" + role.substr(0, slash) +
                             R"(","name":")" + role.substr(slash + 1) + R"("},"subjects":[)" + subject + "]}");
    ASSERT_EQ(made.status, 201) << made.text;
    user = before;
  }
  static std::string of_user(const std::string& name) { return R"({"kind":"User","name":")" + name + R"("})"; }
  static std::string of_group(const std::string& name) { return R"({"kind":"Group","name":")" + name + R"("})"; }

  access::Quotas quotas;  // for the next watch_over()
  std::unique_ptr<access::Guard> guard;

 private:
  void leave() {
    if (guard) guard->close();
    settle();
    guard.reset();
  }
};

}  // namespace gantry::api
