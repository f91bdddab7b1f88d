#include "providers/local/instance_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

void put(std::string& out, std::string_view key, std::string_view value) {
  out.append(key).append("=").append(value).push_back('\0');
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::Invalid, "the launch file is damaged: \"" + std::string(text) + "\" is no number");
  }
  return value;
}

json::Value strings(const std::vector<std::string>& from) {
  json::Array made;
  for (const auto& text : from) made.emplace_back(text);
  return made;
}

std::vector<std::string> strings(const json::Value* from) {
  std::vector<std::string> made;
  if (!from || !from->is_array()) return made;
  for (const auto& item : from->as_array()) made.push_back(item.as_string());
  return made;
}

json::Value to_json(const Cgroup& group) {
  return json::Object{{"folders", strings(group.folders)}, {"kill", group.kill_file}, {"oom", group.oom_file}};
}

Cgroup cgroup_from(const json::Value* value) {
  Cgroup group;
  if (!value) return group;
  group.folders = strings(value->find("folders"));
  group.kill_file = value->string_or("kill");
  group.oom_file = value->string_or("oom");
  return group;
}

json::Value to_json(const ProcessId& id) { return json::Object{{"pid", id.pid}, {"startTicks", id.start_ticks}}; }

ProcessId process_from(const json::Value* value) {
  if (!value) return {};
  return {static_cast<pid_t>(value->int_or("pid", 0)), static_cast<std::uint64_t>(value->int_or("startTicks", 0))};
}

constexpr std::string_view kPhases[] = {"Starting", "Running", "Exited"};

WallTime time_from(const json::Value& value, std::string_view key) {
  const std::string text = value.string_or(key);
  return text.empty() ? WallTime{} : parse_time(text);
}

struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

void check_instance_id(const std::string& id) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (id.empty() || id.size() > 200 || id[0] == '-' || !std::ranges::all_of(id, good)) {
    throw Error(ErrorCode::Invalid, "the instance id \"" + id + "\" is not valid; it consists of a-z, 0-9 and -");
  }
}

std::string encode(const Launch& launch) {
  std::string out;
  put(out, "program", launch.program);
  for (const auto& arg : launch.argv) put(out, "arg", arg);
  for (const auto& variable : launch.env) put(out, "env", variable);
  put(out, "cwd", launch.working_directory);
  put(out, "grace_ns", std::to_string(launch.stop_grace.count()));
  put(out, "log_bytes_max", std::to_string(launch.log_bytes_max));
  for (const auto& folder : launch.cgroup.folders) put(out, "cgroup", folder);
  put(out, "cgroup_kill", launch.cgroup.kill_file);
  put(out, "cgroup_oom", launch.cgroup.oom_file);
  put(out, "end", "");
  return out;
}

Launch decode_launch(std::string_view text) {
  Launch launch;
  bool whole = false;
  while (!text.empty()) {
    const auto end = text.find('\0');
    const auto equals = text.find('=');
    if (end == std::string_view::npos || equals == std::string_view::npos || equals > end) break;
    const std::string_view key = text.substr(0, equals);
    const std::string value(text.substr(equals + 1, end - equals - 1));
    text.remove_prefix(end + 1);
    if (key == "program") launch.program = value;
    if (key == "arg") launch.argv.push_back(value);
    if (key == "env") launch.env.push_back(value);
    if (key == "cwd") launch.working_directory = value;
    if (key == "grace_ns") launch.stop_grace = Duration(number(value));
    if (key == "log_bytes_max") launch.log_bytes_max = number(value);
    if (key == "cgroup") launch.cgroup.folders.push_back(value);
    if (key == "cgroup_kill") launch.cgroup.kill_file = value;
    if (key == "cgroup_oom") launch.cgroup.oom_file = value;
    if (key == "end") whole = true;
  }
  if (!whole || launch.program.empty() || launch.argv.empty()) {
    throw Error(ErrorCode::Invalid, "the launch file is damaged: it ends too early");
  }
  return launch;
}

std::string encode(const State& state) {
  json::Object made{{"phase", kPhases[static_cast<std::size_t>(state.phase)]},
                    {"bootID", state.boot_id},
                    {"supervisor", to_json(state.supervisor)},
                    {"process", to_json(state.process)},
                    {"started", format_micro_time(state.started)},
                    {"stopping", state.stopping}};
  if (state.phase == State::Phase::Exited) {
    made.set("finished", format_micro_time(state.finished));
    made.set("exitCode", state.exit_code);
    made.set("neverRan", state.never_ran);
    made.set("reason", state.reason);
  }
  return json::dump(made) + "\n";
}

State decode_state(std::string_view text) {
  const json::Value value = json::parse(text);
  State state;
  const std::string phase = value.string_or("phase");
  for (std::size_t i = 0; i < std::size(kPhases); ++i) {
    if (phase == kPhases[i]) state.phase = static_cast<State::Phase>(i);
  }
  state.boot_id = value.string_or("bootID");
  state.supervisor = process_from(value.find("supervisor"));
  state.process = process_from(value.find("process"));
  state.started = time_from(value, "started");
  state.finished = time_from(value, "finished");
  state.exit_code = static_cast<int>(value.int_or("exitCode", 0));
  state.stopping = value.bool_or("stopping", false);
  state.never_ran = value.bool_or("neverRan", false);
  state.reason = value.string_or("reason");
  return state;
}

std::string encode(const Intent& intent) {
  const Instance& it = intent.instance;
  json::Array ports;
  for (const auto& port : it.ports) {
    ports.push_back(json::Object{{"name", port.name},
                                 {"port", port.port},
                                 {"hostPort", port.host_port},
                                 {"fixed", port.fixed},
                                 {"protocol", port.protocol}});
  }
  return json::dump(json::Object{{"id", it.id},
                                 {"ownerUID", it.owner_uid},
                                 {"ownerNamespace", it.owner_namespace},
                                 {"ownerName", it.owner_name},
                                 {"release", it.release},
                                 {"slot", it.slot},
                                 {"configHash", it.config_hash},
                                 {"ports", std::move(ports)},
                                 {"note", it.note},
                                 {"bootID", intent.boot_id},
                                 {"folder", intent.folder},
                                 {"cgroup", to_json(intent.cgroup)}}) +
         "\n";
}

Intent decode_intent(std::string_view text) {
  const json::Value value = json::parse(text);
  Intent intent;
  Instance& it = intent.instance;
  it.id = value.string_or("id");
  it.owner_uid = value.string_or("ownerUID");
  it.owner_namespace = value.string_or("ownerNamespace");
  it.owner_name = value.string_or("ownerName");
  it.release = value.string_or("release");
  it.slot = static_cast<int>(value.int_or("slot", 0));
  it.config_hash = value.string_or("configHash");
  it.note = value.string_or("note");
  if (const auto* ports = value.find("ports")) {
    for (const auto& port : ports->as_array()) {
      it.ports.push_back({.name = port.string_or("name"),
                          .port = static_cast<int>(port.int_or("port", 0)),
                          .host_port = static_cast<int>(port.int_or("hostPort", 0)),
                          .fixed = port.bool_or("fixed", false),
                          .protocol = port.string_or("protocol", "TCP")});
    }
  }
  intent.boot_id = value.string_or("bootID");
  intent.folder = value.string_or("folder");
  intent.cgroup = cgroup_from(value.find("cgroup"));
  return intent;
}

// A POSIX record lock and not flock(): it is not inherited by the command, it can be looked at without being taken,
// and the kernel says whose it is.
pid_t lock_holder(const std::string& folder) {
  const Fd fd(::open((folder + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return 0;
  auto lock = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid;
}

bool take_lock(const std::string& folder) {
  Fd fd(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return false;
  auto lock = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) return false;
  fd.release();  // open until the process ends: closing it would give the lock back
  return true;
}

}  // namespace gantry::providers::local
