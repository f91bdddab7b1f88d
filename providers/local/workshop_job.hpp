// One making, from its beginning on. Private to the workshop.
#pragma once

#include "providers/build/retry.hpp"
#include "providers/local/workshop.hpp"

namespace gantry::providers::local {

struct Workshop::Job {
  explicit Job(Reactor& reactor) : changed(reactor) {}
  BuildState state;
  BuildSpec::Kind kind = BuildSpec::Kind::Image;
  std::string owner_uid;
  std::string ask;
  build::Retry retry;
  std::optional<Instant> seen;  // when what was made was last known to be there
  DockerBuild* docker = nullptr;
  std::string instance;  // of the build command
  bool cancelled = false;
  Signal changed;
  bool running() const { return state.phase == BuildState::Phase::Running; }
};

}  // namespace gantry::providers::local
