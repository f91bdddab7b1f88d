// A host on which instances of Apps run: this machine (providers/local), or a Server through its agent
// (providers/agent), where the same code runs. Several of them may stand behind one (providers/agent/host_set).
// An instance is one process with its supervisor, or one container. It is known by its id, which the caller chooses and
// the host keeps durably before anything is started, so that start() may be repeated after a crash without making a
// twin. Instances outlive the controller: after a restart the host finds them again by identity, never by pid alone.
// Runs on the loop's reactor; every call may be repeated; throws Error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/secret.hpp"
#include "controller/base/task.hpp"
#include "providers/tunnel_way.hpp"

namespace gantry::providers {

struct InstancePort {
  std::string name;
  int port = 0;        // as declared: what the App means by it; a container's own port
  int host_port = 0;   // where it is reached on this host; 0: to be assigned by start()
  bool fixed = false;  // host_port must be exactly that one
  std::string protocol = "TCP";

  // "8000/tcp": how Servers' status, firewalls and messages write the port on the host.
  std::string published() const { return std::to_string(host_port) + (protocol == "UDP" ? "/udp" : "/tcp"); }
};

struct InstanceSpec {
  std::string id;  // [a-z0-9-], unique on the host for ever: "<first 8 of app uid>-<release number>-<slot>-<try>"
  std::string owner_uid;  // of the App
  std::string owner_namespace;
  std::string owner_name;
  std::string release;  // name of the Release
  int slot = 0;         // which replica
  std::string config_hash;

  enum class Runtime { Process, Docker };
  Runtime runtime = Runtime::Process;
  std::vector<std::string> command;  // Process: argv; Docker: overrides the image's command when not empty
  std::string working_directory;     // Process
  std::string image;                 // Docker: reference or digest
  std::vector<std::pair<std::string, Secret>> env;  // Process: PORT and PORT_<NAME> are added by the host
  std::vector<InstancePort> ports;
  struct Volume {
    std::string name;  // a host directory of the App, or host_path
    std::string mount_path;
    std::string host_path;
    bool read_only = false;
  };
  std::vector<Volume> volumes;
  std::optional<std::int64_t> cpu_millis;
  std::optional<std::int64_t> memory_bytes;
  Duration stop_grace = std::chrono::seconds(10);  // between SIGTERM and SIGKILL
  std::int64_t log_bytes_max = 10 << 20;           // of one log file; two are kept

  std::string server;  // "namespace/name" of the Server it is for; empty: this machine
  // Process, when it runs code: the staged copy, and its digest. working_directory lies in it; a host elsewhere has the
  // copy sent and its own folder put in its place.
  std::string code_folder;
  std::string code_digest;
  // Process, on a Server: what was built there under this key; working_directory is relative to it.
  std::string build_key;
};

struct Instance {
  enum class State { Starting, Running, Exited };
  std::string id;
  std::string owner_uid;
  std::string owner_namespace;
  std::string owner_name;
  std::string release;
  int slot = 0;
  std::string config_hash;
  InstanceSpec::Runtime runtime = InstanceSpec::Runtime::Process;
  State state = State::Starting;
  bool stopping = false;  // asked to stop, not gone yet
  std::int64_t pid = 0;   // of the process itself; 0 when it does not run
  std::string container_id;
  std::vector<InstancePort> ports;  // with host_port filled in
  WallTime started{};
  WallTime finished{};  // when Exited
  int exit_code = 0;    // when Exited; 128 + signal when it was killed
  std::string
      exit_reason;     // "exited with code 1", "killed by signal 9", "out of memory", "cannot execute: No such file"
  std::string note;    // what this host could not do for it: "memory limit is not enforced: no writable cgroup"
  std::string server;  // "namespace/name" of the Server it is on; empty: this machine
  std::string address = "127.0.0.1";  // where its ports are reached
  std::optional<TunnelWay> tunnel;    // to there, for requests
  std::string plain_because;          // why there is none
  std::string in_doubt;               // why this is only what was last known: its host does not answer; empty: it is so
};

struct InstanceUsage {
  std::string id;
  Duration cpu{};  // since it was started
  std::int64_t memory_bytes = 0;
};

struct LogQuery {
  std::optional<std::int64_t> tail_lines;
  std::optional<WallTime> since;
  bool timestamps = false;
  bool follow = false;
};

class LogReader {
 public:
  virtual ~LogReader() = default;
  virtual Task<std::string> next() = 0;  // empty: the end (never while following a live instance)
  virtual void close() = 0;              // wakes next()
};

class WorkloadHost {
 public:
  virtual ~WorkloadHost() = default;

  // What is here, from memory: kept up to date by events. Those of one App, or all when owner_uid is empty.
  virtual Task<std::vector<Instance>> list(std::string owner_uid) = 0;
  // Error(Invalid) when it can never work (command not found), Error(Conflict) when a fixed port is taken.
  virtual Task<Instance> start(InstanceSpec spec) = 0;
  // SIGTERM to the whole group, SIGKILL after the grace. Returns at once; the exit arrives as a change.
  virtual Task<> stop(std::string id) = 0;
  // Forgets an instance that has exited, with its logs when `logs_too`. Absent already is fine.
  virtual Task<> remove(std::string id, bool logs_too) = 0;
  virtual Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) = 0;
  // The last lines an instance wrote, for evidence.
  virtual Task<std::string> log_tail(std::string id, std::size_t lines) = 0;
  // Docker: makes sure the image is here and says its digest. Error(NotFound) when there is none.
  virtual Task<std::string> ensure_image(std::string reference) = 0;
  // Throws Error(Unavailable) while it is not known yet what runs on that Server: whoever starts something there must
  // not take that for nothing. Empty: this machine.
  virtual void must_know(const std::string& server) const {
    if (!server.empty()) throw Error(ErrorCode::Unavailable, "there is no Server \"" + server + "\" behind this host");
  }
  // What an App's running instances have used. One that cannot be measured is not in the answer.
  virtual Task<std::vector<InstanceUsage>> usage(std::string owner_uid) {
    (void)owner_uid;
    co_return std::vector<InstanceUsage>();
  }

  // Called on the loop's reactor, soon after anything about an App's instances changed.
  using OnChange = std::function<void(const std::string& owner_uid)>;
  virtual void on_change(OnChange callback) = 0;
};

struct ProbeSpec {
  enum class Kind { Http, Tcp };
  Kind kind = Kind::Tcp;
  std::string server;  // whose agent asks; empty: this machine does
  int port = 0;        // on that host
  std::string path = "/";
  Duration timeout = std::chrono::seconds(2);
};
struct ProbeResult {
  bool healthy = false;
  int status = 0;       // HTTP
  std::string message;  // "connection refused", "503: starting up" (at most 2 kB of the body)
  bool asked = true;    // false: the instance's host could not be asked, so nothing is known
};

}  // namespace gantry::providers
