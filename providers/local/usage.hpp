// What running instances have used, from the kernel's own books.
#pragma once

#include <sys/types.h>

#include "providers/local/cgroup.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// Of the instance's control groups where they count, else the sum over the processes of its group. May block. What
// cannot be read stays 0.
InstanceUsage usage_of(const Cgroup& group, pid_t leader);

}  // namespace gantry::providers::local
