// How a build is shown from its beginning on, whoever does it.
#pragma once

#include "providers/builder.hpp"

namespace gantry::providers::build {

inline BuildState begun(const BuildSpec& spec, WallTime now) {
  BuildState state;
  state.phase = BuildState::Phase::Running;
  state.key = key_of(spec);
  state.message = spec.kind == BuildSpec::Kind::Pull ? "pulling " + spec.reference : "building";
  state.began = now;
  return state;
}

}  // namespace gantry::providers::build
