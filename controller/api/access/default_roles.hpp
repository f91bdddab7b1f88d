// The roles that are always there. As kube-apiserver does it: made at start, and what was taken out of them is put
// back; what was added stays. With `rbac.authorization.kubernetes.io/autoupdate: "false"` on it, one is left as it is.
#pragma once

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::access {

// At start, before clients are let in.
Task<> ensure_default_roles(Plane& plane);

// Whether this is one of them: they cannot be deleted.
bool is_default_role(const object::Key& key);

}  // namespace gantry::api::access
