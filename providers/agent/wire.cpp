#include "providers/agent/wire.hpp"

#include <array>

#include "providers/agent/wire_fields.hpp"

namespace gantry::providers::agent {

using namespace fields;

namespace {

constexpr std::array<std::string_view, 3> kStates{"Starting", "Running", "Exited"};
constexpr std::array<std::string_view, 2> kRuntimes{"process", "docker"};
constexpr std::array<std::string_view, 2> kProbeKinds{"http", "tcp"};

json::Value time_json(WallTime time) {
  return time == WallTime{} ? json::Value() : json::Value(format_micro_time(time));
}

WallTime time_from(const json::Value& value, std::string_view field) {
  const std::string written = text(value, field);
  return written.empty() ? WallTime{} : parse_time(written);
}

json::Value to_json(const std::vector<InstancePort>& ports) {
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

std::vector<InstancePort> ports_from(const json::Value& from) {
  std::vector<InstancePort> ports;
  for (const auto& each : items(from, "ports")) {
    need_object(each, "ports");
    InstancePort port;
    port.name = text(each, "name");
    port.port = static_cast<int>(number(each, "port", 0, 0, 65535));
    port.host_port = static_cast<int>(number(each, "hostPort", 0, 0, 65535));
    port.fixed = flag(each, "fixed");
    port.protocol = text(each, "protocol", "TCP");
    if (port.protocol != "TCP" && port.protocol != "UDP") wrong("ports.protocol", "TCP or UDP is expected");
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace

json::Value to_json(const Instance& it) {
  return json::Object{{"id", it.id},
                      {"ownerUid", it.owner_uid},
                      {"namespace", it.owner_namespace},
                      {"app", it.owner_name},
                      {"release", it.release},
                      {"slot", it.slot},
                      {"configHash", it.config_hash},
                      {"runtime", kRuntimes[static_cast<std::size_t>(it.runtime)]},
                      {"state", kStates[static_cast<std::size_t>(it.state)]},
                      {"stopping", it.stopping},
                      {"pid", it.pid},
                      {"containerId", it.container_id},
                      {"ports", to_json(it.ports)},
                      {"started", time_json(it.started)},
                      {"finished", time_json(it.finished)},
                      {"exitCode", it.exit_code},
                      {"exitReason", it.exit_reason},
                      {"note", it.note}};
}

Instance instance_from(const json::Value& value) {
  need_object(value, "instance");
  Instance it;
  it.id = text(value, "id");
  it.owner_uid = text(value, "ownerUid");
  it.owner_namespace = text(value, "namespace");
  it.owner_name = text(value, "app");
  it.release = text(value, "release");
  it.slot = static_cast<int>(number(value, "slot", 0, 0, 1'000'000));
  it.config_hash = text(value, "configHash");
  it.runtime = static_cast<InstanceSpec::Runtime>(one_of(kRuntimes, value, "runtime", "process"));
  it.state = static_cast<Instance::State>(one_of(kStates, value, "state", "Starting"));
  it.stopping = flag(value, "stopping");
  it.pid = number(value, "pid", 0, 0, INT64_MAX);
  it.container_id = text(value, "containerId");
  it.ports = ports_from(value);
  it.started = time_from(value, "started");
  it.finished = time_from(value, "finished");
  it.exit_code = static_cast<int>(number(value, "exitCode", 0, INT32_MIN, INT32_MAX));
  it.exit_reason = text(value, "exitReason");
  it.note = text(value, "note");
  return it;
}

json::Value to_json(const InstanceSpec& spec) {
  json::Array volumes;
  for (const auto& volume : spec.volumes) {
    volumes.push_back(json::Object{{"name", volume.name},
                                   {"mountPath", volume.mount_path},
                                   {"hostPath", volume.host_path},
                                   {"readOnly", volume.read_only}});
  }
  std::string directory = spec.working_directory;
  if (!spec.code_digest.empty() && (directory + "/").starts_with(spec.code_folder + "/"))
    directory.erase(0, spec.code_folder.size() + 1);
  json::Object made{{"id", spec.id},
                    {"ownerUid", spec.owner_uid},
                    {"namespace", spec.owner_namespace},
                    {"app", spec.owner_name},
                    {"release", spec.release},
                    {"slot", spec.slot},
                    {"configHash", spec.config_hash},
                    {"runtime", kRuntimes[static_cast<std::size_t>(spec.runtime)]},
                    {"command", fields::words(spec.command)},
                    {"workingDirectory", directory},
                    {"codeDigest", spec.code_digest},
                    {"buildKey", spec.build_key},
                    {"image", spec.image},
                    {"env", fields::env(spec.env)},
                    {"ports", to_json(spec.ports)},
                    {"volumes", std::move(volumes)},
                    {"stopGraceMillis", std::chrono::duration_cast<std::chrono::milliseconds>(spec.stop_grace).count()},
                    {"logBytesMax", spec.log_bytes_max}};
  if (spec.cpu_millis) made.set("cpuMillis", *spec.cpu_millis);
  if (spec.memory_bytes) made.set("memoryBytes", *spec.memory_bytes);
  return made;
}

InstanceSpec spec_from(const json::Value& value) {
  need_object(value, "the body");
  refuse_unknown(value,
                 {"id",      "ownerUid", "namespace",        "app",         "release",   "slot",       "configHash",
                  "runtime", "command",  "workingDirectory", "codeDigest",  "buildKey",  "image",      "env",
                  "ports",   "volumes",  "stopGraceMillis",  "logBytesMax", "cpuMillis", "memoryBytes"});
  InstanceSpec spec;
  spec.id = text(value, "id");
  if (spec.id.empty())
    wrong("id", "a name of the caller's choice is required; the same one again starts nothing twice");
  spec.owner_uid = text(value, "ownerUid", spec.id);
  spec.owner_namespace = text(value, "namespace", "default");
  spec.owner_name = text(value, "app", spec.id);
  spec.release = text(value, "release");
  spec.slot = static_cast<int>(number(value, "slot", 0, 0, 1'000'000));
  spec.config_hash = text(value, "configHash");
  spec.image = text(value, "image");
  spec.runtime = static_cast<InstanceSpec::Runtime>(
      one_of(kRuntimes, value, "runtime", spec.image.empty() ? "process" : "docker"));
  spec.command = words_from(value, "command");
  const bool docker = spec.runtime == InstanceSpec::Runtime::Docker;
  if (docker && spec.image.empty()) wrong("image", "a container needs one");
  if (!docker && spec.command.empty()) wrong("command", "a process needs one: what should be started?");
  spec.working_directory = text(value, "workingDirectory");
  spec.code_digest = text(value, "codeDigest");
  spec.build_key = text(value, "buildKey");
  spec.env = env_from(value);
  spec.ports = ports_from(value);
  for (const auto& each : items(value, "volumes")) {
    need_object(each, "volumes");
    spec.volumes.push_back(
        {text(each, "name"), text(each, "mountPath"), text(each, "hostPath"), flag(each, "readOnly")});
  }
  spec.stop_grace = std::chrono::milliseconds(number(value, "stopGraceMillis", 10'000, 0, 86'400'000));
  spec.log_bytes_max = number(value, "logBytesMax", spec.log_bytes_max, 4096, 1LL << 40);
  if (value.find("cpuMillis")) spec.cpu_millis = number(value, "cpuMillis", 0, 1, 1'000'000);
  if (value.find("memoryBytes")) spec.memory_bytes = number(value, "memoryBytes", 0, 1 << 20, INT64_MAX);
  return spec;
}

json::Value to_json(const InstanceUsage& usage) {
  return json::Object{{"id", usage.id}, {"cpuNanos", usage.cpu.count()}, {"memoryBytes", usage.memory_bytes}};
}

InstanceUsage usage_from(const json::Value& value) {
  return {value.string_or("id"), Duration(value.int_or("cpuNanos", 0)), value.int_or("memoryBytes", 0)};
}

json::Value to_json(const ProbeSpec& spec) {
  return json::Object{{"kind", kProbeKinds[static_cast<std::size_t>(spec.kind)]},
                      {"port", spec.port},
                      {"path", spec.path},
                      {"timeoutMillis", std::chrono::duration_cast<std::chrono::milliseconds>(spec.timeout).count()}};
}

ProbeSpec probe_from(const json::Value& value) {
  need_object(value, "the body");
  refuse_unknown(value, {"kind", "port", "path", "timeoutMillis"});
  ProbeSpec spec;
  spec.kind = static_cast<ProbeSpec::Kind>(one_of(kProbeKinds, value, "kind", "tcp"));
  spec.port = static_cast<int>(number(value, "port", 0, 1, 65535));
  if (spec.port == 0) wrong("port", "which one should be asked?");
  spec.path = text(value, "path", "/");
  spec.timeout = std::chrono::milliseconds(number(value, "timeoutMillis", 2000, 1, 60'000));
  return spec;
}

json::Value to_json(const ProbeResult& result) {
  return json::Object{{"healthy", result.healthy}, {"status", result.status}, {"message", result.message}};
}

ProbeResult probe_result_from(const json::Value& value) {
  return {.healthy = value.bool_or("healthy", false),
          .status = static_cast<int>(value.int_or("status", 0)),
          .message = value.string_or("message")};
}

std::string success(json::Object data) {
  return json::dump(json::Object{{"success", true}, {"data", std::move(data)}, {"error", nullptr}});
}

std::string failure(const Error& error) {
  json::Object data{{"reason", traits(error.code()).reason}};
  if (error.retry_after) data.set("retryAfterMillis", error.retry_after->count());
  return json::dump(json::Object{{"success", false}, {"data", std::move(data)}, {"error", error.message()}});
}

json::Value open_envelope(std::string_view who, int status, std::string_view body) {
  json::Value answer;
  try {
    answer = json::parse(body);
  } catch (const Error&) {  // tidy: no JSON, so no agent of ours: told below
  }
  const json::Value* success = answer.find("success");
  const json::Value* data = answer.find("data");
  if (!success || !success->is_bool() || !data || !data->is_object()) {
    throw Error(status == 200 ? ErrorCode::Unavailable : error_code_of_http_status(status),
                std::string(who) + " answered " + std::to_string(status) + ", and not as an agent does: \"" +
                    std::string(body.substr(0, 200)) + "\"");
  }
  if (success->as_bool()) return *data;
  Error error(error_code_of_http_status(status, data->string_or("reason")),
              std::string(who) + ": " + answer.string_or("error", "(it does not say why)"));
  if (const auto wait = data->int_or("retryAfterMillis", 0); wait > 0)
    error.retry_after = std::chrono::milliseconds(wait);
  throw error;
}

json::Value open_envelope(std::string_view who, const http::Response& response) {
  return open_envelope(who, response.status, response.body);
}

}  // namespace gantry::providers::agent
