// kubectl --as: a request in another user's name, if the one who asks may do that (verb impersonate on users, groups,
// serviceaccounts, and on uids and userextras in authentication.k8s.io).
#pragma once

#include <optional>

#include "controller/api/authorizer.hpp"
#include "controller/api/handler.hpp"

namespace gantry::api::access {

// Whom the request is to be from; nothing when it asks for nobody. Throws Error(Forbidden), Error(BadRequest).
std::optional<User> impersonated(const HttpRequest& request, const User& user, const Authorizer& authorizer);

}  // namespace gantry::api::access
