// Whether what Apps may use fits on their host: pure arithmetic, shown when it does not work out. Counted are limits
// (spec.resources) times the most replicas that the App may have; an App without limits counts nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::reconcilers::app {

struct Capacity {
  std::int64_t cpu_millis = 0;  // 0: not known, and so not judged
  std::int64_t memory_bytes = 0;
  // How often each processor may be promised: its time is shared when all want it at once, which memory cannot be.
  std::int64_t cpu_promised = 1;
  std::int64_t reserve_cpu_millis = 0;  // for the host itself, and for Gantry
  std::int64_t reserve_memory_bytes = 0;
};

struct Demand {
  std::string name;  // "namespace/name"
  std::int64_t replicas = 0;
  std::int64_t cpu_millis = 0;  // of one
  std::int64_t memory_bytes = 0;
};
Demand demand_of(const json::Value& app);
// True when the App runs on the controller's own machine.
bool runs_here(const json::Value& app);

// What does not fit, one for each resource.
std::vector<FieldError> what_does_not_fit(const Demand& wanted, const std::vector<Demand>& others,
                                          const Capacity& capacity);

}  // namespace gantry::reconcilers::app
