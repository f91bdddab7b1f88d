// What the controller and an agent say to each other of builds.
#include <array>

#include "providers/agent/wire.hpp"
#include "providers/agent/wire_fields.hpp"

namespace gantry::providers::agent {

using namespace fields;

namespace {

constexpr std::array<std::string_view, 2> kRuntimes{"docker", "process"};
constexpr std::array<std::string_view, 4> kPhases{"Absent", "Running", "Done", "Failed"};
constexpr std::int64_t kDay = 86'400;

// Folders and images are named by it.
void need_name(std::string_view field, const std::string& name) {
  const bool known = std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; });
  if (!known || name.empty() || name.front() == '.')
    wrong(field, "small letters, digits, dots and dashes are expected, not \"" + name + "\"");
}

}  // namespace

json::Value to_json(const BuildSpec& spec) {
  return json::Object{{"app", spec.owner_name},
                      {"namespace", spec.owner_namespace},
                      {"ownerUid", spec.owner_uid},
                      {"runtime", kRuntimes[spec.kind == BuildSpec::Kind::Folder ? 1 : 0]},
                      {"codeDigest", spec.digest},
                      {"preset", spec.preset},
                      {"dockerfile", spec.dockerfile},
                      {"command", spec.command},
                      {"output", spec.output},
                      {"nodeVersion", spec.node_version},
                      {"start", words(spec.start)},
                      {"port", spec.port},
                      {"env", env(spec.env)},
                      {"envDigest", spec.env_digest},
                      {"memoryBytes", spec.memory_bytes},
                      {"timeoutSeconds", std::chrono::duration_cast<std::chrono::seconds>(spec.timeout).count()},
                      {"ask", spec.ask}};
}

BuildSpec build_from(const json::Value& value) {
  need_object(value, "the body");
  refuse_unknown(value,
                 {"app", "namespace", "ownerUid", "runtime", "codeDigest", "preset", "dockerfile", "command", "output",
                  "nodeVersion", "start", "port", "env", "envDigest", "memoryBytes", "timeoutSeconds", "ask"});
  BuildSpec spec;
  spec.owner_name = text(value, "app");
  if (spec.owner_name.empty()) wrong("app", "a name for what is built is required");
  spec.owner_namespace = text(value, "namespace", "default");
  need_name("app", spec.owner_name);
  need_name("namespace", spec.owner_namespace);
  spec.owner_uid = text(value, "ownerUid", "agent." + spec.owner_namespace + "." + spec.owner_name);
  need_name("ownerUid", spec.owner_uid);
  spec.kind = one_of(kRuntimes, value, "runtime", "docker") == 0 ? BuildSpec::Kind::Image : BuildSpec::Kind::Folder;
  spec.digest = text(value, "codeDigest");
  spec.preset = text(value, "preset", "auto");
  spec.dockerfile = text(value, "dockerfile");
  spec.command = text(value, "command");
  spec.output = text(value, "output");
  spec.node_version = text(value, "nodeVersion");
  spec.start = words_from(value, "start");
  spec.port = static_cast<int>(number(value, "port", 0, 0, 65535));
  spec.env = env_from(value);
  spec.env_digest = text(value, "envDigest");
  spec.memory_bytes = number(value, "memoryBytes", spec.memory_bytes, 1 << 20, INT64_MAX);
  spec.timeout = std::chrono::seconds(number(value, "timeoutSeconds", 1200, 1, kDay));
  spec.ask = text(value, "ask");
  return spec;
}

json::Value to_json(const BuildState& state) {
  return json::Object{{"key", state.key},
                      {"phase", kPhases[static_cast<std::size_t>(state.phase)]},
                      {"image", state.image},
                      {"folder", state.folder},
                      {"message", state.message}};
}

BuildState build_state_from(const json::Value& value) {
  BuildState state;
  state.phase = static_cast<BuildState::Phase>(one_of(kPhases, value, "phase", "Absent"));
  state.key = text(value, "key");
  state.image = text(value, "image");
  state.folder = text(value, "folder");
  state.message = text(value, "message");
  return state;
}

}  // namespace gantry::providers::agent
