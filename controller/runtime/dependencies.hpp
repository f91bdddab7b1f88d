// spec.dependsOn, for every kind alike: who must be ready first, and who must be gone first. One reactor's thread.
#pragma once

#include <optional>
#include <string>

#include "controller/runtime/context.hpp"
#include "controller/runtime/reconciler.hpp"

namespace gantry::runtime {

struct Obstacle {
  std::string reason;  // ReferenceNotFound, DependencyNotReady, DependentsExist
  std::string message;
};

// What keeps this generation of the object from being acted on. A generation passes the gate once: an App whose
// database is away for a minute is still looked after.
std::optional<Obstacle> unmet_dependency(const Context& context, const Subject& subject);

// What must go before this object may. Read from the objects as they are stored, so it works when the manifests are
// gone. Objects that wait for each other in a ring do not wait.
std::optional<Obstacle> remaining_dependent(const Context& context, const Subject& subject);

}  // namespace gantry::runtime
