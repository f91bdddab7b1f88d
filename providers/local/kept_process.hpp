// One program of the machine's own (Caddy, the relay, the tunnel's end) that is kept running as an instance on the
// workload host: so it outlives the controller, is found again, has its log kept, and is started anew when it ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/unix_transport.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

inline constexpr std::string_view kProxyOwner = "gantry-proxy";

// The line that tells why a program ended: the last one that names an error, else the last one. Programs with more than
// one thread (Caddy) go on talking after they said why.
std::string_view telling_line(std::string_view said);

class KeptProcess {
 public:
  struct Program {
    std::string name;  // [a-z]: also in the instance's id
    std::vector<std::string> command;
    std::string folder;  // its working directory and HOME
  };
  KeptProcess(Reactor& reactor, WorkloadHost& host, Program program);

  // Starts it when it does not run, unless the pause after its last end is not over. True: it runs.
  // Only the newest counts: one before it that still runs has given its place and finishes what it has.
  Task<bool> ensure();
  // Starts another beside the one that runs, which takes its place by itself. Throws Error.
  Task<> replace();
  // What runs lives on when we are replaced by another binary, and would be of the old one for ever. So another is
  // started beside it, which takes its place: no connection is refused, and none that is open ends. `control` is the
  // socket on which it says its "program" at `state`. Throws Error.
  Task<> renew(http::UnixTransport& control, std::string state, std::string wanted_program);
  // Asks it to end; forgets it once it has.
  Task<> end();

  // Of the instance that runs; another one after each start. Empty when none does.
  const std::string& instance() const { return instance_; }
  // Why it does not run: what it said last. Empty when it runs.
  const std::string& problem() const { return problem_; }
  // What it said when it last ended, until it has been seen to work again.
  const std::string& last_end() const { return last_end_; }
  void forgive() { last_end_.clear(); }
  std::optional<Instant> retry_at() const { return retry_at_; }

 private:
  Task<std::vector<Instance>> mine();
  Task<> start(int number);
  Task<> count_end(const Instance& last);

  Reactor& reactor_;
  WorkloadHost& host_;
  Program program_;
  std::string instance_;
  std::string problem_;
  std::string last_end_;
  std::string counted_;
  int quick_failures_ = 0;
  std::optional<Instant> retry_at_;
};

}  // namespace gantry::providers::local
