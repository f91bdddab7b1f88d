// Keeps the host from falling asleep while it is asked to and something runs on it. On the reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/json.hpp"
#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/sleep_inhibitor.hpp"
#include "providers/workload_host.hpp"

namespace gantry::agent {

class Awake {
 public:
  Awake(Reactor& reactor, Blocking& blocking, providers::WorkloadHost& host,
        std::unique_ptr<providers::local::SleepInhibitor> inhibitor);
  // Lets go. Nothing may be called afterwards.
  Task<> close();

  // Once it is as asked, or is known not to be possible.
  Task<> want(bool wanted);
  // {"wanted", "held", "problem"}
  json::Value about() const;

 private:
  // That something changed is remembered, also while nobody waits for it.
  struct News {
    explicit News(Reactor& reactor) : signal(reactor) {}
    void tell() {
      ++count;
      signal.notify_all();
    }
    Signal signal;
    std::uint64_t count = 0;
  };
  Task<> watch(Gate::Pass pass);
  Task<> settle();

  Reactor& reactor_;
  Blocking& blocking_;
  providers::WorkloadHost& host_;
  std::unique_ptr<providers::local::SleepInhibitor> inhibitor_;
  bool wanted_ = false;
  bool held_ = false;
  bool watching_ = false;
  bool settling_ = false;
  std::string problem_;
  std::shared_ptr<News> news_;  // the host tells it, and may live longer
  Signal settled_;
  Gate gate_;
  log::Logger log_{"agent"};
};

}  // namespace gantry::agent
