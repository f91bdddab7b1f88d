#include "controller/api/status.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::verbs {

ObjectPtr get(const Plane& plane, const Target& target) {
  ObjectPtr found = plane.store.find(target.key());
  if (!found) throw not_found(target.served->resource, target.name);
  return found;
}

}  // namespace gantry::api::verbs
