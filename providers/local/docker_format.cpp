#include "providers/local/docker_format.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "controller/base/error.hpp"
#include "controller/base/percent.hpp"
#include "providers/local/expand.hpp"
#include "providers/local/ports.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::string_view kPortsLabel = "gantry.dev/ports";

std::string port_key(const InstancePort& port) {
  return std::to_string(port.port) + (port.protocol == "UDP" ? "/udp" : "/tcp");
}

json::Value ports_json(const std::vector<InstancePort>& ports) {
  json::Array made;
  for (const auto& port : ports) {
    made.push_back(json::Object{{"name", port.name},
                                {"port", port.port},
                                {"hostPort", port.host_port},
                                {"fixed", port.fixed},
                                {"protocol", port.protocol}});
  }
  return made;
}

std::vector<InstancePort> ports_of(const std::string& label) {
  std::vector<InstancePort> ports;
  if (label.empty()) return ports;
  for (const json::Value written = json::parse(label); const auto& port : written.as_array()) {
    ports.push_back({.name = port.string_or("name"),
                     .port = static_cast<int>(port.int_or("port", 0)),
                     .host_port = static_cast<int>(port.int_or("hostPort", 0)),
                     .fixed = port.bool_or("fixed", false),
                     .protocol = port.string_or("protocol", "TCP")});
  }
  return ports;
}

WallTime time_of(const json::Value& state, std::string_view key) {
  const std::string text = state.string_or(key);
  return text.empty() || text.starts_with("0001-") ? WallTime{} : parse_time(text);
}

std::string reason_of(const json::Value& state, int code) {
  if (state.bool_or("OOMKilled", false)) return "out of memory";
  if (const std::string error = state.string_or("Error"); !error.empty()) return error;
  if (code > 128 && code < 128 + NSIG) {
    const char* name = ::sigabbrev_np(code - 128);
    return "killed by signal " + std::to_string(code - 128) + (name ? " (SIG" + std::string(name) + ")" : "");
  }
  return "exited with code " + std::to_string(code);
}

}  // namespace

std::string reason_of_exit(int code) { return reason_of(json::Value(json::Object()), code); }

std::string container_name(const InstanceSpec& spec) {
  return "gantry-" + spec.owner_namespace + "-" + spec.owner_name + "-" + spec.id;
}

json::Value create_body(const InstanceSpec& spec, const std::vector<InstancePort>& ports, const std::string& host_id,
                        bool reachable) {
  // Inside, the declared port is the one to listen on; outside, only this machine reaches it unless a port was asked
  // for.
  std::vector<std::string> environment;
  for (const auto& [name, value] : spec.env) environment.push_back(name + "=" + value.reveal());
  if (!ports.empty()) environment.push_back("PORT=" + std::to_string(ports.front().port));
  json::Object exposed, bindings;
  for (const auto& port : ports) {
    const std::string outside = port.fixed || reachable ? "" : "127.0.0.1";
    if (!port.name.empty()) environment.push_back("PORT_" + variable_name(port.name) + "=" + std::to_string(port.port));
    exposed.set(port_key(port), json::Object());
    bindings.set(port_key(port),
                 json::Array{json::Object{{"HostIp", outside}, {"HostPort", std::to_string(port.host_port)}}});
  }
  environment.push_back("GANTRY_INSTANCE=" + spec.id);
  environment.push_back("GANTRY_APP=" + spec.owner_name);
  environment.push_back("GANTRY_NAMESPACE=" + spec.owner_namespace);
  environment.push_back("GANTRY_SLOT=" + std::to_string(spec.slot));
  json::Array env, mounts;
  for (const auto& line : environment) env.emplace_back(line);
  for (const auto& volume : spec.volumes) {
    mounts.push_back(json::Object{
        {"Type", "bind"}, {"Source", volume.host_path}, {"Target", volume.mount_path}, {"ReadOnly", volume.read_only}});
  }
  json::Object host{
      {"NetworkMode", network_name(spec.owner_uid)},
      {"RestartPolicy", json::Object{{"Name", "no"}}},  // restarts are ours, with their back-off and Events
      {"LogConfig",
       json::Object{{"Type", "json-file"},
                    {"Config", json::Object{{"max-size", std::to_string(spec.log_bytes_max)}, {"max-file", "2"}}}}},
      {"PortBindings", std::move(bindings)},
      {"Mounts", std::move(mounts)}};
  if (spec.memory_bytes) {
    host.set("Memory", *spec.memory_bytes);
    host.set("MemorySwap", *spec.memory_bytes);
  }
  if (spec.cpu_millis) host.set("NanoCpus", *spec.cpu_millis * 1'000'000);
  json::Object labels{{kInstanceLabel.data(), spec.id},
                      {kHostLabel.data(), host_id},
                      {"gantry.dev/app", spec.owner_name},
                      {"gantry.dev/namespace", spec.owner_namespace},
                      {"gantry.dev/app-uid", spec.owner_uid},
                      {"gantry.dev/release", spec.release},
                      {"gantry.dev/slot", std::to_string(spec.slot)},
                      {"gantry.dev/config-hash", spec.config_hash},
                      {kPortsLabel.data(), json::dump(ports_json(ports))}};
  json::Object body{{"Image", spec.image},
                    {"Env", std::move(env)},
                    {"Labels", std::move(labels)},
                    {"ExposedPorts", std::move(exposed)},
                    {"HostConfig", std::move(host)},
                    {"StopTimeout", std::chrono::ceil<std::chrono::seconds>(spec.stop_grace).count()}};
  if (!spec.command.empty()) {
    json::Array words;
    for (const auto& word : spec.command) words.emplace_back(expand(word, environment));
    // As Kubernetes has it: the command is all of what runs, the image's own entry point and arguments left out.
    body.set("Entrypoint", std::move(words));
  }
  return body;
}

Instance instance_of(const json::Value& container) {
  Instance it;
  it.runtime = InstanceSpec::Runtime::Docker;
  it.container_id = container.string_or("Id");
  if (const json::Value* labels = container.at({"Config", "Labels"})) {
    it.id = labels->string_or(kInstanceLabel);
    it.owner_uid = labels->string_or("gantry.dev/app-uid");
    it.owner_namespace = labels->string_or("gantry.dev/namespace");
    it.owner_name = labels->string_or("gantry.dev/app");
    it.release = labels->string_or("gantry.dev/release");
    it.slot = std::atoi(labels->string_or("gantry.dev/slot", "0").c_str());
    it.config_hash = labels->string_or("gantry.dev/config-hash");
    it.ports = ports_of(labels->string_or(kPortsLabel));
  }
  const json::Value* state = container.find("State");
  if (!state)
    throw Error(ErrorCode::Internal, "Docker describes the container " + it.container_id + " without its state");
  const std::string status = state->string_or("Status");
  it.started = time_of(*state, "StartedAt");
  if (status == "running" || status == "paused" || status == "restarting") {
    it.state = Instance::State::Running;
    it.pid = state->int_or("Pid", 0);
  } else if (status == "created") {
    it.state = Instance::State::Starting;
  } else {
    it.state = Instance::State::Exited;
    it.finished = std::max(time_of(*state, "FinishedAt"), it.started);  // Docker's own two clocks may cross
    it.exit_code = static_cast<int>(state->int_or("ExitCode", 0));
    it.exit_reason = reason_of(*state, it.exit_code);
  }
  return it;
}

bool only_created(const json::Value& container) {
  const json::Value* state = container.find("State");
  return state && state->string_or("Status") == "created";
}

std::string network_name(const std::string& owner_uid) { return "gantry-" + owner_uid; }

json::Value network_body(const InstanceSpec& spec, const std::string& host_id, const std::string& subnet) {
  json::Object body{{"Name", network_name(spec.owner_uid)},
                    {"CheckDuplicate", true},
                    {"Labels", json::Object{{kHostLabel.data(), host_id},
                                            {"gantry.dev/app", spec.owner_name},
                                            {"gantry.dev/namespace", spec.owner_namespace},
                                            {"gantry.dev/app-uid", spec.owner_uid}}}};
  if (!subnet.empty()) body.set("IPAM", json::Object{{"Config", json::Array{json::Object{{"Subnet", subnet}}}}});
  return body;
}

std::string query_escape(std::string_view text) { return percent_encode(text); }

InstanceUsage usage_of_stats(const json::Value& stats) {
  InstanceUsage used;
  if (const json::Value* cpu = stats.at({"cpu_stats", "cpu_usage"}))
    used.cpu = std::chrono::nanoseconds(cpu->int_or("total_usage", 0));
  if (const json::Value* memory = stats.find("memory_stats")) {
    used.memory_bytes = memory->int_or("usage", 0);
    // What the kernel would drop when asked, as version 2 and version 1 of control groups call it.
    if (const json::Value* parts = memory->find("stats")) {
      const auto cache = parts->int_or("total_inactive_file", parts->int_or("inactive_file", 0));
      used.memory_bytes = std::max<std::int64_t>(0, used.memory_bytes - cache);
    }
  }
  return used;
}

}  // namespace gantry::providers::local
