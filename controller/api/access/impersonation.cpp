#include "controller/api/access/impersonation.hpp"

#include <algorithm>

#include "controller/api/status.hpp"

namespace gantry::api::access {
namespace {

constexpr std::string_view kServiceAccount = "system:serviceaccount:";
constexpr std::string_view kExtra = "impersonate-extra-";

class Permission {
 public:
  Permission(const User& user, const Authorizer& authorizer) : user_(user), authorizer_(authorizer) {}

  void require(std::string_view group, std::string_view resource, std::string_view subresource, std::string_view ns,
               std::string_view name) const {
    if (authorizer_.allow(user_, {"impersonate", group, resource, subresource, ns, name, {}})) return;
    throw forbidden(
        object::Resource::of(group, resource), name,
        "User " + object::quoted(user_.name) + " cannot impersonate resource " + object::quoted(resource) +
            " in API group " + object::quoted(group) +
            (ns.empty() ? std::string(" at the cluster scope") : " in the namespace " + object::quoted(ns)));
  }

 private:
  const User& user_;
  const Authorizer& authorizer_;
};

}  // namespace

std::optional<User> impersonated(const HttpRequest& request, const User& user, const Authorizer& authorizer) {
  const bool any =
      std::ranges::any_of(request.headers, [](const auto& header) { return header.first.starts_with("impersonate-"); });
  if (!any) return std::nullopt;
  const std::string* name = request.header("impersonate-user");
  if (!name || name->empty())
    throw Error(ErrorCode::BadRequest, "Impersonate-Group, -Uid and -Extra need an Impersonate-User beside them");

  const Permission permission(user, authorizer);
  User other{*name, {}, {}, user.expires};
  if (name->starts_with(kServiceAccount)) {
    const std::string_view rest = std::string_view(*name).substr(kServiceAccount.size());
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) throw Error(ErrorCode::BadRequest, "this names no ServiceAccount: " + *name);
    permission.require({}, "serviceaccounts", {}, rest.substr(0, colon), rest.substr(colon + 1));
    if (!request.header("impersonate-group"))
      other.groups = {"system:serviceaccounts", "system:serviceaccounts:" + std::string(rest.substr(0, colon))};
  } else {
    permission.require({}, "users", {}, {}, *name);
  }
  for (const auto& [header, value] : request.headers) {
    if (header == "impersonate-group") {
      permission.require({}, "groups", {}, {}, value);
      other.groups.push_back(value);
    } else if (header == "impersonate-uid") {
      permission.require("authentication.k8s.io", "uids", {}, {}, value);
      other.uid = value;
    } else if (header.starts_with(kExtra)) {
      // No rule looks at these; but who sends them must be allowed to.
      permission.require("authentication.k8s.io", "userextras", std::string_view(header).substr(kExtra.size()), {},
                         value);
    }
  }
  if (std::ranges::find(other.groups, "system:authenticated") == other.groups.end())
    other.groups.emplace_back("system:authenticated");
  return other;
}

}  // namespace gantry::api::access
