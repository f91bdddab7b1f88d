// One client must not starve the others, nor the controllers, which come by another door and wait for nobody here.
//
// Writes: each user has so many under way at once; the next wait, and what is free goes round the users that wait.
// Lists, and what begins with one: one in each turn of the reactor, round the users that wait, so that between two of
// them everybody else's messages are heard. Who waits too long, or with too many, gets 429 with Retry-After. Members of
// system:masters and ServiceAccounts of kube-system wait their turn in lists, and are never refused.
// Front reactor.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "controller/api/handler.hpp"
#include "controller/base/metrics.hpp"
#include "controller/base/signal.hpp"

namespace gantry::api::access {

class FlowControl {
 public:
  struct Limits {
    std::size_t writes_of_user = 64;
    std::size_t writes = 1024;  // of all who are not of the system
    std::size_t waiting_of_user = 256;
    Duration patience = std::chrono::seconds(30);
  };
  FlowControl(Reactor& front, Limits limits);
  explicit FlowControl(Reactor& front) : FlowControl(front, Limits{}) {}
  ~FlowControl();

  // Given back when the write is over; empty ones give back nothing.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept : flow_(std::exchange(other.flow_, nullptr)), user_(std::move(other.user_)) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(flow_, other.flow_);
      std::swap(user_, other.user_);
      return *this;
    }
    ~Seat() {
      if (flow_) flow_->leave(user_);
    }

   private:
    friend class FlowControl;
    Seat(FlowControl* flow, std::string user) : flow_(flow), user_(std::move(user)) {}
    FlowControl* flow_ = nullptr;
    std::string user_;
  };

  // At once, where nobody has to wait; else nothing, and enter_write() must be awaited.
  bool try_write(const User& user, Seat& seat);
  bool try_list(const User& user);
  // Throw Error(RateLimited).
  Task<Seat> enter_write(const User& user);
  Task<> enter_list(const User& user);

 private:
  enum class Kind { Write, List };
  struct Waiter;
  using WaiterPtr = std::shared_ptr<Waiter>;
  struct Queue {
    std::unordered_map<std::string, std::deque<WaiterPtr>> of_user;
    std::deque<std::string> order;  // the users that wait, whose turn is next in front
    std::size_t waiting = 0;
  };
  Task<> wait(Kind kind, const User& user);
  // The next who may go on, or null.
  WaiterPtr take(Kind kind);
  void give_up(Kind kind, const WaiterPtr& waiter);
  void leave(const std::string& user);
  void admit_writers();
  void next_list();
  bool has_room(const std::string& user) const;
  Queue& queue(Kind kind) { return queues_[static_cast<std::size_t>(kind)]; }

  Reactor& front_;
  Limits limits_;
  std::unordered_map<std::string, std::size_t> writing_;  // by user
  std::size_t writes_ = 0;
  bool list_in_this_turn_ = false;
  std::array<Queue, 2> queues_;
  std::shared_ptr<FlowControl*> self_;  // for what was posted; null once this is gone
  std::array<metrics::Gauge, 2> waiting_;
  std::array<metrics::Counter, 2> refused_;
};

// Whose requests keep the house itself going.
bool is_system(const User& user);

}  // namespace gantry::api::access
