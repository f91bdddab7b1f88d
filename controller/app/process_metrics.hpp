// The metrics of the process itself: process_* as Prometheus' client libraries name them, and gantry_build_info.
#pragma once

namespace gantry::app {

inline constexpr const char* kVersion = "0.1.0";

void register_process_metrics();

}  // namespace gantry::app
