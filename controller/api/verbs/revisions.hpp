// What list and watch share: waiting for a revision, and the continue token.
#pragma once

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::verbs {

// Returns once the store is at least at `revision`. Error(Timeout), worded as Kubernetes does, after three seconds.
Task<> wait_for(const Plane& plane, Revision revision);

// Where a list goes on. Opaque to clients: unpadded base64url of a small JSON object.
struct Continue {
  Revision revision = 0;  // of the first page; 0: go on from the newest data, inconsistently
  std::string after_ns, after_name;
};
std::string to_token(const Continue& position);
// Throws Error(BadRequest) for what no server of ours has written.
Continue parse_token(std::string_view token);

Error expired_revision(Revision asked, Revision oldest);

}  // namespace gantry::api::verbs
