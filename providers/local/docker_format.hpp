// What the Docker Engine API says and wants to hear, as plain functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

inline constexpr std::string_view kInstanceLabel = "gantry.dev/instance";
inline constexpr std::string_view kHostLabel = "gantry.dev/host";

// "exited with code 1", "killed by signal 9 (SIGKILL)".
std::string reason_of_exit(int code);
// "gantry-<namespace>-<app>-<id>"; its uniqueness is Docker's own guard against a twin.
std::string container_name(const InstanceSpec& spec);
// POST /containers/create. Ports with host_port filled in are published on 127.0.0.1; fixed ones, and all of them on a
// host that must be `reachable` from others, on every address.
json::Value create_body(const InstanceSpec& spec, const std::vector<InstancePort>& ports, const std::string& host_id,
                        bool reachable = false);
// GET /containers/<id>/json. What an Instance needs and Docker does not know is in the labels.
Instance instance_of(const json::Value& container);
// Whether it was made and never started.
bool only_created(const json::Value& container);

// Each App's containers have a network of their own, so that Apps on one host cannot reach each other past their ports.
std::string network_name(const std::string& owner_uid);
// POST /networks/create. subnet: empty for Docker to choose.
json::Value network_body(const InstanceSpec& spec, const std::string& host_id, const std::string& subnet);

// Percent-encoded, for a query.
std::string query_escape(std::string_view text);

// An answer of /containers/<id>/stats; without the id.
InstanceUsage usage_of_stats(const json::Value& stats);

}  // namespace gantry::providers::local
