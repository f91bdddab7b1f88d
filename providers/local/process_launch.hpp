// From an InstanceSpec to a folder with an intent in it, and to a supervisor that carries it out. Every call may block.
#pragma once

#include <sys/types.h>

#include <string>

#include "providers/local/cgroup.hpp"
#include "providers/local/instance_files.hpp"

namespace gantry::providers::local {

// The command's path. Throws Error(Invalid): empty, not found (in which PATH), not executable, no such working
// directory.
std::string resolve_program(const InstanceSpec& spec);

// What the process finds in its environment: a few harmless variables of the controller's own (PATH, HOME, ...), those
// of the spec, GANTRY_VOLUME_<NAME> with the folder of each volume, PORT and PORT_<NAME>, and GANTRY_INSTANCE, _BINARY,
// _APP, _NAMESPACE, _SLOT, which nothing can override: they are how the instance is known. Sorted by name.
std::vector<std::string> environment_of(const InstanceSpec& spec, const std::vector<InstancePort>& ports,
                                        const std::string& folder);

// Makes the instance's folder in `instances`, whole or not at all, and its control group.
// Throws Error(Invalid) as resolve_program(), Error(Conflict) when the id was used before.
Intent write_intent(const std::string& instances, const InstanceSpec& spec, Instance instance,
                    const CgroupRoots& cgroups);

// Starts a supervisor for the folder. It is our child until we end, and reports through its files. Throws
// Error(Unavailable).
pid_t start_supervisor(const std::string& program, const std::string& folder);

}  // namespace gantry::providers::local
