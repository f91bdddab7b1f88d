// Processes on this machine as a WorkloadHost, each beside a supervisor of its own that outlives us.
//
// Memory is only a copy of what the instance folders and the kernel say. Whatever happens, a restart of ours included,
// is answered by looking at one folder again (look()): who holds its lock, what its state says. The outcomes:
//
//   state says Exited                      it has exited, as recorded
//   locked                                 it lives; a pidfd tells when that changes
//   not locked, never started              the intent is carried out now; the lock forbids a twin
//   not locked, but started                its supervisor was killed: what is left of it is ended, and that recorded
//   started before the machine was         it is gone, and that is recorded
//
// So it makes no difference at which instruction we were killed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/cgroup.hpp"
#include "providers/local/file_log_reader.hpp"
#include "providers/local/instance_files.hpp"
#include "providers/local/ports.hpp"
#include "providers/local/watches.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

class ProcessHost final : public WorkloadHost {
 public:
  struct Options {
    std::string folder;                                 // holds instances/; made when absent
    std::string supervisor_program = "/proc/self/exe";  // must know the command "supervise"
  };

  ProcessHost(Reactor& reactor, Blocking& blocking, PortBook& ports, Options options);
  ~ProcessHost() override;

  // Finds again what runs here. Once, before anything else.
  Task<> open();
  // Instances go on. Nothing may be called afterwards.
  Task<> close();

  Task<std::vector<Instance>> list(std::string owner_uid) override;
  Task<Instance> start(InstanceSpec spec) override;
  Task<> stop(std::string id) override;
  Task<> remove(std::string id, bool logs_too) override;
  Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) override;
  Task<std::string> log_tail(std::string id, std::size_t lines) override;
  Task<std::string> ensure_image(std::string reference) override;
  Task<std::vector<InstanceUsage>> usage(std::string owner_uid) override;
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

  bool knows(const std::string& id) const { return held_.contains(id); }

 private:
  struct Held;
  struct Sighting;
  using HeldPtr = std::shared_ptr<Held>;

  std::string folder_of(const std::string& id) const { return instances_ + "/" + id; }
  static Sighting look_at(const std::string& folder);
  Task<> look(HeldPtr held);
  Task<> find_again(HeldPtr held);
  Task<> look_once(HeldPtr held);
  Task<> carry_out(HeldPtr held);
  Task<> end_leftovers(HeldPtr held, State state);
  Task<> conclude(HeldPtr held, State state, std::string reason, int exit_code);
  void adopt_state(const HeldPtr& held, const State& state);
  void watch_folder(const HeldPtr& held);
  void watch_supervisor(const HeldPtr& held, pid_t pid, Fd pidfd);
  void look_soon(const HeldPtr& held);
  Task<> keep_looking(HeldPtr held, Gate::Pass pass);
  Task<> launch(HeldPtr held, InstanceSpec spec);
  void wish_for_old_ports(InstanceSpec& spec) const;
  Task<> settle(HeldPtr held);
  Task<> forget(HeldPtr held);
  void tell(const Held& held);

  Reactor& reactor_;
  Blocking& blocking_;
  PortBook& ports_;
  Options options_;
  std::string instances_;
  std::string boot_id_;
  CgroupRoots cgroups_;
  std::shared_ptr<FolderWatch> watch_;
  std::map<std::string, HeldPtr> held_;
  std::map<std::uint64_t, std::unique_ptr<ExitWatch>> exits_;  // of supervisors, also of forgotten ones until reaped
  std::uint64_t last_exit_ = 0;
  std::vector<OnChange> listeners_;
  Gate gate_;
  bool closing_ = false;
  log::Logger log_{"process-host"};
};

}  // namespace gantry::providers::local
