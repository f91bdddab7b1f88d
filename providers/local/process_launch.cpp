#include "providers/local/process_launch.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/expand.hpp"
#include "providers/local/ports.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/processes.hpp"

namespace gantry::providers::local {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Not the whole environment of the controller: it may hold keys that are no App's business.
constexpr const char* kInherited[] = {"HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"};
// What a program needs to load and, in a sanitizer build, to report.
constexpr const char* kSupervisorInherits[] = {"ASAN_OPTIONS", "LD_LIBRARY_PATH", "LSAN_OPTIONS",
                                               "PATH",         "TSAN_OPTIONS",    "UBSAN_OPTIONS"};

std::string working_directory(const InstanceSpec& spec) {
  return spec.working_directory.empty() ? "/" : spec.working_directory;
}

// Where this program lies, for Apps that are parts of it ($(GANTRY_BINARY) demo).
std::string own_program() {
  char path[4096];
  const auto length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "gantry";
  std::string program(path, static_cast<std::size_t>(length));
  // A newer one has been put in its place while we run: that one, then.
  constexpr std::string_view kReplaced = " (deleted)";
  if (program.ends_with(kReplaced)) program.resize(program.size() - kReplaced.size());
  return program;
}

std::string search_path(const InstanceSpec& spec) {
  for (auto variable = spec.env.rbegin(); variable != spec.env.rend(); ++variable) {
    if (variable->first == "PATH") return variable->second.reveal();
  }
  const char* own = std::getenv("PATH");
  return own && *own ? own : kDefaultPath;
}

// 0, or why it cannot be executed.
int executable(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return errno;
  if (!S_ISREG(found.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

void write_file(const std::string& path, std::string_view text) {
  if (const int error = replace_file(path, text, 0600)) {
    throw Error(error == ENOSPC || error == EDQUOT ? ErrorCode::Unavailable : ErrorCode::Internal,
                "cannot write " + path + ": " + errno_text(error));
  }
}

// As the folder is: of this controller alone.
std::string group_name(const std::string& id, const std::string& folder) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : folder) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  char text[16];
  std::snprintf(text, sizeof text, "-%08x", hash);
  return id + text;
}

}  // namespace

std::string resolve_program(const InstanceSpec& spec) {
  if (spec.command.empty() || spec.command[0].empty()) {
    throw Error(ErrorCode::Invalid, "no command is given; set spec.command, such as [python3, server.py]");
  }
  const std::string folder = working_directory(spec);
  struct stat found{};
  if (::stat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    const int error = errno == 0 ? ENOTDIR : errno;
    throw Error(ErrorCode::Invalid, "cannot enter the working directory " + folder + ": " + errno_text(error));
  }
  const std::string& name = spec.command[0];
  if (name.find('/') != std::string::npos) {
    const std::string path = name.starts_with('/') ? name : folder + "/" + name;
    if (const int error = executable(path)) {
      throw Error(ErrorCode::Invalid, "cannot execute " + path + ": " + errno_text(error));
    }
    return path;
  }
  const std::string path = search_path(spec);
  std::istringstream folders(path);
  std::string refused;
  for (std::string each; std::getline(folders, each, ':');) {
    const std::string candidate = (each.empty() || !each.starts_with('/') ? folder + "/" + each : each) + "/" + name;
    const int error = executable(candidate);
    if (error == 0) return candidate;
    if (error != ENOENT && error != ENOTDIR && refused.empty()) refused = candidate + ": " + errno_text(error);
  }
  if (!refused.empty()) throw Error(ErrorCode::Invalid, "cannot execute " + refused);
  throw Error(ErrorCode::Invalid, "the command \"" + name + "\" was not found in PATH (" + path +
                                      "); install it, or give its whole path in spec.command");
}

std::vector<std::string> environment_of(const InstanceSpec& spec, const std::vector<InstancePort>& ports,
                                        const std::string& folder) {
  std::map<std::string, std::string> made;
  for (const char* name : kInherited) {
    if (const char* value = std::getenv(name)) made[name] = value;
  }
  made.try_emplace("PATH", kDefaultPath);
  for (const auto& volume : spec.volumes) made["GANTRY_VOLUME_" + variable_name(volume.name)] = volume.host_path;
  for (const auto& [name, value] : spec.env) {
    if (name.empty() || name.find('=') != std::string::npos ||
        (name + value.reveal()).find('\0') != std::string::npos) {
      throw Error(ErrorCode::Invalid,
                  "the environment variable \"" + name + "\" has a name or value no process can be given");
    }
    made[name] = value.reveal();
  }
  if (!ports.empty()) made["PORT"] = std::to_string(ports.front().host_port);
  for (const auto& port : ports) {
    if (!port.name.empty()) made["PORT_" + variable_name(port.name)] = std::to_string(port.host_port);
  }
  made["GANTRY_INSTANCE"] = spec.id;
  made[std::string(kFolderVariable)] = folder;
  made["GANTRY_APP"] = spec.owner_name;
  made["GANTRY_BINARY"] = own_program();
  made["GANTRY_NAMESPACE"] = spec.owner_namespace;
  made["GANTRY_SLOT"] = std::to_string(spec.slot);
  std::vector<std::string> lines;
  for (const auto& [name, value] : made) lines.push_back(name + "=" + value);
  return lines;
}

Intent write_intent(const std::string& instances, const InstanceSpec& spec, Instance instance,
                    const CgroupRoots& cgroups) {
  const std::string folder = instances + "/" + spec.id;
  if (files::exists(folder)) {
    throw Error(ErrorCode::Conflict, "the instance id " + spec.id + " was used before; ids are never used twice");
  }
  Launch launch;
  launch.env = environment_of(spec, instance.ports, folder);
  InstanceSpec expanded = spec;
  for (auto& word : expanded.command) word = expand(word, launch.env);
  launch.program = resolve_program(expanded);
  launch.argv = std::move(expanded.command);
  launch.working_directory = working_directory(spec);
  launch.stop_grace = spec.stop_grace;
  launch.log_bytes_max = spec.log_bytes_max;
  launch.cgroup = cgroups.make(group_name(spec.id, folder), spec.cpu_millis, spec.memory_bytes, instance.note);

  const Intent intent{std::move(instance), boot_id(), folder, launch.cgroup};
  const std::string draft = instances + "/.new-" + spec.id;
  remove_folder(draft);
  files::make_directories(draft, 0700);
  write_file(draft + "/launch", encode(launch));
  write_file(draft + "/spec.json", encode(intent));
  if (::rename(draft.c_str(), folder.c_str()) != 0) {
    throw Error(ErrorCode::Internal, "cannot make the folder " + folder + ": " + errno_text(errno));
  }
  return intent;
}

pid_t start_supervisor(const std::string& program, const std::string& folder) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // Blocked from its first instruction on: a stop that comes before it is ready waits for it.
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&blocked, signal);
  ::posix_spawnattr_setsigmask(&attributes, &blocked);
  sigset_t all;
  sigfillset(&all);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::string words[] = {"gantry", "supervise", "--dir", folder};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  std::vector<std::string> variables;
  for (const char* name : kSupervisorInherits) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  std::vector<char*> env;
  for (auto& variable : variables) env.push_back(variable.data());
  env.push_back(nullptr);

  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, env.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw Error(ErrorCode::Unavailable, "cannot start a supervisor (" + program + "): " + errno_text(error));
  return pid;
}

}  // namespace gantry::providers::local
