#include "providers/local/process_host.hpp"

#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/process_launch.hpp"
#include "providers/local/processes.hpp"
#include "providers/local/usage.hpp"

namespace gantry::providers::local {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(30);
constexpr int kKilledExitCode = 128 + SIGKILL;
constexpr int kUnknownExitCode = 255;

}  // namespace

struct ProcessHost::Held {
  Held(Reactor& reactor, Instance it) : instance(std::move(it)), pulse(std::make_shared<Pulse>(reactor)) {}
  Instance instance;
  Cgroup cgroup;
  std::string boot_id;
  std::shared_ptr<Pulse> pulse;
  FolderWatch::Token folder_token = 0;
  std::uint64_t exit_token = 0;  // 0: no supervisor that we know of is alive
  pid_t supervisor = 0;
  bool prepared = false;  // its folder is there
  bool launched = false;  // we have started a supervisor for it
  bool never_ran = false;
  bool foreign = false;  // a copy of another controller's data: nothing in there is ours to touch
  bool stop_wanted = false;
  bool looking = false;
  bool look_again = false;

  bool exited() const { return instance.state == Instance::State::Exited; }
};

struct ProcessHost::Sighting {
  pid_t supervisor = 0;  // who holds the lock
  Fd pidfd;              // of that process, for certain
  bool has_launch = false;
  std::optional<State> state;
};

ProcessHost::ProcessHost(Reactor& reactor, Blocking& blocking, PortBook& ports, Options options)
    : reactor_(reactor),
      blocking_(blocking),
      ports_(ports),
      options_(std::move(options)),
      instances_(std::filesystem::absolute(options_.folder).lexically_normal().string() + "/instances"),
      watch_(std::make_shared<FolderWatch>(reactor)),
      gate_(reactor) {}

ProcessHost::~ProcessHost() = default;

Task<> ProcessHost::open() {
  struct Found {
    std::vector<std::pair<std::string, std::string>> intents;
    std::string boot;
    CgroupRoots cgroups;
  };
  Found found = co_await blocking_.run(reactor_, [instances = instances_] {
    Found here;
    files::make_directories(instances, 0700);
    here.boot = boot_id();
    here.cgroups = CgroupRoots::discover();
    for (const auto& name : names_in(instances)) {
      // Leftovers of a creation or a removal that was cut off.
      if (name.starts_with('.')) remove_folder(instances + "/" + name);
      if (auto text = read_small(instances + "/" + name + "/spec.json")) here.intents.emplace_back(name, *text);
    }
    return here;
  });
  boot_id_ = found.boot;
  cgroups_ = found.cgroups;
  log_.info("control groups for processes", {{"available", cgroups_.description()}});
  for (const auto& [name, text] : found.intents) {
    HeldPtr held;
    try {
      Intent intent = decode_intent(text);
      if (intent.instance.id != name) throw Error(ErrorCode::Invalid, "it is of another instance");
      held = std::make_shared<Held>(reactor_, std::move(intent.instance));
      held->cgroup = std::move(intent.cgroup);
      held->boot_id = std::move(intent.boot_id);
      held->foreign = intent.folder != folder_of(name);
    } catch (const Error& error) {
      // Its processes, if any, keep their supervisor; what is not understood is not touched.
      log_.error("an instance's folder cannot be read and is left alone",
                 {{"instance", name}, {"error", error.what()}});
      continue;
    }
    held->prepared = true;
    held_.emplace(name, held);
    ports_.note(name, held->instance.ports);
    watch_folder(held);
  }
  for (const auto& [id, held] : std::map(held_)) co_await find_again(held);
}

Task<> ProcessHost::find_again(HeldPtr held) {
  std::string trouble;
  try {
    co_await look(held);
  } catch (const Error& error) {
    trouble = error.what();
  }
  if (!trouble.empty()) co_await conclude(held, State{.never_ran = true}, trouble, kUnknownExitCode);
}

Task<> ProcessHost::close() {
  closing_ = true;
  for (auto& [id, held] : held_) held->pulse->beat();
  co_await gate_.close();
  for (auto& [id, held] : held_) {
    watch_->remove(held->folder_token);
    held->pulse->beat();
  }
  exits_.clear();
}

Task<std::vector<Instance>> ProcessHost::list(std::string owner_uid) {
  std::vector<Instance> found;
  for (const auto& [id, held] : held_) {
    if (owner_uid.empty() || held->instance.owner_uid == owner_uid) found.push_back(held->instance);
  }
  co_return found;
}

Task<std::vector<InstanceUsage>> ProcessHost::usage(std::string owner_uid) {
  struct Measured {
    std::string id;
    Cgroup cgroup;
    pid_t pid = 0;
  };
  std::vector<Measured> running;
  for (const auto& [id, held] : held_) {
    const Instance& it = held->instance;
    if (it.owner_uid != owner_uid || it.state != Instance::State::Running || it.pid <= 0) continue;
    running.push_back({id, held->cgroup, static_cast<pid_t>(it.pid)});
  }
  std::vector<InstanceUsage> used;
  if (running.empty()) co_return used;
  co_return co_await blocking_.run(reactor_, [running] {
    std::vector<InstanceUsage> measured;
    for (const auto& one : running) {
      measured.push_back(usage_of(one.cgroup, one.pid));
      measured.back().id = one.id;
    }
    return measured;
  });
}

Task<std::string> ProcessHost::ensure_image(std::string reference) {
  throw Error(ErrorCode::Invalid,
              "a process needs no image, but \"" + reference + "\" is given; set spec.runtime: docker");
  co_return "";
}

// ---------------------------------------------------------------- looking

ProcessHost::Sighting ProcessHost::look_at(const std::string& folder) {
  Sighting seen;
  // The holder first and the state after it: when there is no holder, the state read then is final.
  while (const pid_t holder = lock_holder(folder)) {
    seen.pidfd = open_pidfd(holder);
    if (!seen.pidfd || lock_holder(folder) != holder) continue;  // it ended meanwhile, and the pid may be another's
    seen.supervisor = holder;
    break;
  }
  seen.has_launch = files::exists(folder + "/launch");
  if (const auto text = read_small(folder + "/state.json")) {
    try {
      seen.state = decode_state(*text);
    } catch (const Error&) {
      // Written by a rename, so never half; damaged from outside. What ran there is ended, if its supervisor is gone.
      seen.state = State{};
    }
  }
  return seen;
}

void ProcessHost::look_soon(const HeldPtr& held) {
  if (closing_) return;
  held->look_again = true;
  if (!held->looking) reactor_.spawn(keep_looking(held, gate_.enter()));
}

// Holds its pass from the moment it is spawned: close() waits also for those that have not begun.
Task<> ProcessHost::keep_looking(HeldPtr held, Gate::Pass) {
  try {
    co_await look(held);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Cancelled) {
      log_.error("looking at an instance failed", {{"instance", held->instance.id}, {"error", error.what()}});
    }
  }
}

// One at a time for each instance; whoever comes while another looks makes it look once more.
Task<> ProcessHost::look(HeldPtr held) {
  held->look_again = true;
  if (held->looking) co_return;
  const auto pass = gate_.enter();
  held->looking = true;
  std::exception_ptr failure;
  while (!failure && std::exchange(held->look_again, false)) {
    try {
      co_await look_once(held);
    } catch (const Error&) {
      failure = std::current_exception();
    }
  }
  held->looking = false;
  if (failure) std::rethrow_exception(failure);
}

Task<> ProcessHost::look_once(HeldPtr held) {
  if (held->exited() || !held->prepared) co_return;
  Sighting seen = co_await blocking_.run(reactor_, [folder = folder_of(held->instance.id)] { return look_at(folder); });
  if (held->foreign) {
    held->cgroup = {};
    co_await conclude(held, seen.state.value_or(State{}), "its data folder was copied or moved", kUnknownExitCode);
    co_return;
  }
  if (seen.supervisor != 0 && seen.supervisor != held->supervisor) {
    watch_supervisor(held, seen.supervisor, std::move(seen.pidfd));
  }
  if (seen.state && seen.state->phase == State::Phase::Exited) {
    adopt_state(held, *seen.state);
  } else if (seen.supervisor != 0) {
    if (seen.state) adopt_state(held, *seen.state);
  } else if (held->exit_token != 0) {
    // Started, but not yet at its lock: it will be heard of.
  } else if (held->boot_id != boot_id_) {
    co_await conclude(held, seen.state.value_or(State{}), "the machine was restarted", kUnknownExitCode);
  } else if (seen.state) {
    co_await end_leftovers(held, *seen.state);
  } else if (seen.has_launch && !held->launched) {
    co_await carry_out(held);
  } else {
    held->never_ran = true;
    co_await conclude(held, State{.never_ran = true}, "its supervisor could not start", kUnknownExitCode);
  }
}

Task<> ProcessHost::carry_out(HeldPtr held) {
  const pid_t pid =
      co_await blocking_.run(reactor_, [program = options_.supervisor_program, folder = folder_of(held->instance.id)] {
        return start_supervisor(program, folder);
      });
  held->launched = true;
  // Our child, not yet reaped: the pid is surely its own.
  watch_supervisor(held, pid, open_pidfd(pid));
}

Task<> ProcessHost::end_leftovers(HeldPtr held, State state) {
  const std::size_t left = co_await blocking_.run(
      reactor_, [folder = folder_of(held->instance.id), group = held->cgroup] { return end_orphans(folder, group); });
  log_.warn("a supervisor was killed; what was left of its instance has been ended",
            {{"instance", held->instance.id}, {"stillThere", left}});
  co_await conclude(held, std::move(state), "supervisor was killed", kKilledExitCode);
}

Task<> ProcessHost::conclude(HeldPtr held, State state, std::string reason, int exit_code) {
  state.phase = State::Phase::Exited;
  state.finished = reactor_.clock().wall();
  state.exit_code = exit_code;
  state.reason = std::move(reason);
  const int error = co_await blocking_.run(reactor_, [path = folder_of(held->instance.id) + "/state.json",
                                                      text = encode(state)] { return replace_file(path, text, 0600); });
  if (error != 0) {
    // Not recorded, only remembered: the next start of ours comes to the same conclusion.
    log_.warn("an instance's end could not be recorded",
              {{"instance", held->instance.id}, {"error", errno_text(error)}});
  }
  adopt_state(held, state);
}

void ProcessHost::adopt_state(const HeldPtr& held, const State& state) {
  Instance& it = held->instance;
  const auto before = std::pair(it.state, it.stopping);
  it.started = state.started;
  it.stopping = it.stopping || state.stopping;
  switch (state.phase) {
    case State::Phase::Starting:
      break;
    case State::Phase::Running:
      it.state = Instance::State::Running;
      it.pid = state.process.pid;
      break;
    case State::Phase::Exited:
      it.state = Instance::State::Exited;
      it.pid = 0;
      it.finished = state.finished;
      it.exit_code = state.exit_code;
      it.exit_reason = state.reason;
      held->never_ran = state.never_ran;
      ports_.release(it.id);
      break;
  }
  if (held->exited()) it.stopping = false;
  if (std::pair(it.state, it.stopping) == before) return;
  held->pulse->beat();
  tell(*held);
}

void ProcessHost::tell(const Held& held) {
  const std::string owner = held.instance.owner_uid;
  for (const auto& listener : listeners_) listener(owner);
}

void ProcessHost::watch_folder(const HeldPtr& held) {
  held->folder_token =
      watch_->add(folder_of(held->instance.id), false, [this, weak = std::weak_ptr(held)](std::string_view name) {
        const auto here = weak.lock();
        if (here && (name == "state.json" || name.empty())) look_soon(here);
      });
}

void ProcessHost::watch_supervisor(const HeldPtr& held, pid_t pid, Fd pidfd) {
  if (!pidfd) {  // gone already; there is nothing to wait for
    look_soon(held);
    return;
  }
  const auto token = ++last_exit_;
  held->exit_token = token;
  held->supervisor = pid;
  exits_[token] = std::make_unique<ExitWatch>(reactor_, std::move(pidfd), [this, token, weak = std::weak_ptr(held)] {
    exits_.erase(token);
    const auto here = weak.lock();
    if (!here || here->exit_token != token) return;
    here->exit_token = 0;
    here->supervisor = 0;
    look_soon(here);
  });
  if (held->stop_wanted) exits_[token]->signal(SIGTERM);
}

// ---------------------------------------------------------------- starting and ending

Task<Instance> ProcessHost::start(InstanceSpec spec) {
  const auto pass = gate_.enter();
  check_instance_id(spec.id);
  if (const auto known = held_.find(spec.id); known != held_.end()) {
    const HeldPtr held = known->second;
    co_await settle(held);
    co_return held->instance;
  }
  Instance instance;
  instance.id = spec.id;
  instance.owner_uid = spec.owner_uid;
  instance.owner_namespace = spec.owner_namespace;
  instance.owner_name = spec.owner_name;
  instance.release = spec.release;
  instance.slot = spec.slot;
  instance.config_hash = spec.config_hash;
  instance.started = reactor_.clock().wall();
  wish_for_old_ports(spec);
  PortChoice choice = ports_.claim(spec.id, spec.ports);
  if (choice.taken) {
    const std::string holder = ports_.holder({choice.taken->host_port, is_udp(*choice.taken)});
    throw Error(ErrorCode::Conflict, co_await blocking_.run(reactor_, [taken = *choice.taken, holder] {
      return describe_taken(taken, holder);
    }));
  }
  instance.ports = std::move(choice.ports);
  const auto held = std::make_shared<Held>(reactor_, std::move(instance));
  held->boot_id = boot_id_;
  held_.emplace(spec.id, held);

  std::exception_ptr failure;
  try {
    co_await launch(held, std::move(spec));
    co_await settle(held);
    if (held->never_ran) throw Error(ErrorCode::Invalid, held->instance.exit_reason);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (!failure) co_return held->instance;
  // What never ran leaves no trace, and whoever asked knows why.
  if (!held->launched || held->never_ran) co_await forget(held);
  std::rethrow_exception(failure);
}

Task<> ProcessHost::launch(HeldPtr held, InstanceSpec spec) {
  Intent intent =
      co_await blocking_.run(reactor_, [instances = instances_, spec = std::move(spec), instance = held->instance,
                                        roots = cgroups_] { return write_intent(instances, spec, instance, roots); });
  held->instance = std::move(intent.instance);
  held->cgroup = std::move(intent.cgroup);
  held->prepared = true;
  watch_folder(held);
  co_await look(held);
}

// The same replica keeps its address over restarts when it can.
void ProcessHost::wish_for_old_ports(InstanceSpec& spec) const {
  const Instance* last = nullptr;
  for (const auto& [id, held] : held_) {
    const Instance& it = held->instance;
    if (it.owner_uid != spec.owner_uid || it.slot != spec.slot || !held->exited()) continue;
    if (!last || it.finished > last->finished) last = &it;
  }
  if (!last) return;
  for (auto& port : spec.ports) {
    if (port.fixed || port.host_port != 0) continue;
    for (const auto& old : last->ports) {
      if (old.name == port.name && old.port == port.port && is_udp(old) == is_udp(port)) port.host_port = old.host_port;
    }
  }
}

// Until it is known whether the command could be executed.
Task<> ProcessHost::settle(HeldPtr held) {
  const Instant deadline = reactor_.now() + kStartLimit;
  while (held->instance.state == Instance::State::Starting && held_.contains(held->instance.id)) {
    if (closing_) throw Error(ErrorCode::Cancelled, "shutting down");
    if (!co_await held->pulse->signal.wait_until(deadline)) co_return;
  }
}

Task<> ProcessHost::forget(HeldPtr held) {
  watch_->remove(held->folder_token);
  ports_.release(held->instance.id);
  const std::string id = held->instance.id;
  co_await blocking_.run(reactor_, [instances = instances_, id, group = held->cgroup] {
    gantry::providers::local::remove(group);
    // Under its own name it is gone at once; an interrupted removal is finished at the next start.
    const std::string gone = instances + "/.gone-" + id;
    if (::rename((instances + "/" + id).c_str(), gone.c_str()) == 0) remove_folder(gone);
  });
  const auto known = held_.find(id);
  if (known != held_.end() && known->second == held) held_.erase(known);
  held->pulse->beat();
}

Task<> ProcessHost::stop(std::string id) {
  const auto known = held_.find(id);
  if (known == held_.end() || known->second->exited()) co_return;
  const HeldPtr held = known->second;
  held->stop_wanted = true;  // also for a supervisor that is yet to come
  held->instance.stopping = true;
  const auto exit = exits_.find(held->exit_token);
  if (exit == exits_.end()) co_return;
  const int error = exit->second->signal(SIGTERM);
  if (error != 0 && error != ESRCH) {
    throw Error(ErrorCode::Forbidden, "cannot stop instance " + id + " (supervisor pid " +
                                          std::to_string(held->supervisor) + "): " + errno_text(error));
  }
}

Task<> ProcessHost::remove(std::string id, bool logs_too) {
  const auto pass = gate_.enter();
  check_instance_id(id);
  const auto known = held_.find(id);
  if (known == held_.end()) {
    if (!logs_too) co_return;
    // Forgotten before, and now its logs go too.
    co_await blocking_.run(reactor_, [folder = folder_of(id)] {
      if (files::exists(folder + "/forgotten.json")) remove_folder(folder);
    });
    co_return;
  }
  const HeldPtr held = known->second;
  if (!held->exited()) throw Error(ErrorCode::Conflict, "instance " + id + " still runs; stop it first");
  if (logs_too) {
    co_await forget(held);
  } else {
    co_await blocking_.run(reactor_, [folder = folder_of(id), group = held->cgroup] {
      gantry::providers::local::remove(group);
      ::rename((folder + "/spec.json").c_str(), (folder + "/forgotten.json").c_str());
    });
    watch_->remove(held->folder_token);
    held_.erase(id);
    held->pulse->beat();
  }
  tell(*held);
}

// ---------------------------------------------------------------- logs

Task<std::unique_ptr<LogReader>> ProcessHost::logs(std::string id, LogQuery query) {
  check_instance_id(id);
  const auto known = held_.find(id);
  const HeldPtr held = known == held_.end() ? nullptr : known->second;
  const std::string folder = folder_of(id);
  const bool there = co_await blocking_.run(reactor_, [folder] { return files::exists(folder); });
  if (!there) throw Error(ErrorCode::NotFound, "no logs of instance " + id + " are kept");
  const auto is_live = [weak = std::weak_ptr(held)] {
    const auto here = weak.lock();
    return here && !here->exited();
  };
  co_return std::make_unique<FileLogReader>(
      reactor_, blocking_, watch_, held ? held->pulse : std::make_shared<Pulse>(reactor_), folder, query, is_live);
}

Task<std::string> ProcessHost::log_tail(std::string id, std::size_t lines) {
  check_instance_id(id);
  co_return co_await blocking_.run(reactor_, [folder = folder_of(id), lines] { return last_lines(folder, lines); });
}

}  // namespace gantry::providers::local
