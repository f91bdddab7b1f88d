// Nobody gives what they do not have: a role may hold only rules that its writer holds, and a binding may give only a
// role whose rules its writer holds. The verbs `escalate` (on roles) and `bind` (on the role that is given) are the
// exceptions; writers inside the process are not asked.
#pragma once

#include <memory>

#include "controller/api/access/policy.hpp"
#include "controller/api/api.hpp"

namespace gantry::api::access {

// For Role, ClusterRole, RoleBinding and ClusterRoleBinding; a refusal is Error(Forbidden).
void refuse_escalation(Api& api, std::shared_ptr<const Policy> policy);

}  // namespace gantry::api::access
