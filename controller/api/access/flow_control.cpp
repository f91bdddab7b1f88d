#include "controller/api/access/flow_control.hpp"

#include <algorithm>

#include "controller/api/access/policy.hpp"

namespace gantry::api::access {
namespace {

constexpr std::array<const char*, 2> kNames{"write", "list"};

Error too_many(const User& user, std::string_view why) {
  Error error(ErrorCode::RateLimited, "too many requests of user " + user.name + ": " + std::string(why));
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

struct FlowControl::Waiter {
  Waiter(Reactor& front, std::string user_) : called(front), user(std::move(user_)) {}
  Signal called;
  std::string user;
  bool admitted = false;
};

bool is_system(const User& user) {
  return is_master(user) || user.name.starts_with("system:serviceaccount:kube-system:");
}

FlowControl::FlowControl(Reactor& front, Limits limits)
    : front_(front),
      limits_(limits),
      self_(std::make_shared<FlowControl*>(this)),
      waiting_{metrics::gauge("gantry_api_flow_waiting", "Requests that wait for their turn.", {{"kind", kNames[0]}}),
               metrics::gauge("gantry_api_flow_waiting", "Requests that wait for their turn.", {{"kind", kNames[1]}})},
      refused_{metrics::counter("gantry_api_flow_refused_total", "Requests refused with 429.", {{"kind", kNames[0]}}),
               metrics::counter("gantry_api_flow_refused_total", "Requests refused with 429.", {{"kind", kNames[1]}})} {
}

FlowControl::~FlowControl() { *self_ = nullptr; }

bool FlowControl::has_room(const std::string& user) const {
  if (writes_ >= limits_.writes) return false;
  const auto of_user = writing_.find(user);
  return (of_user == writing_.end() ? 0 : of_user->second) < limits_.writes_of_user;
}

bool FlowControl::try_write(const User& user, Seat& seat) {
  if (is_system(user)) return true;
  // Nobody overtakes the user's own who wait already.
  if (!has_room(user.name) || queue(Kind::Write).of_user.contains(user.name)) return false;
  ++writing_[user.name];
  ++writes_;
  seat = Seat(this, user.name);
  return true;
}

Task<FlowControl::Seat> FlowControl::enter_write(const User& user) {
  Seat seat;
  if (try_write(user, seat)) co_return seat;
  const std::string name = user.name;
  co_await wait(Kind::Write, user);  // counted by admit_writers()
  co_return Seat(this, name);
}

void FlowControl::leave(const std::string& user) {
  const auto of_user = writing_.find(user);
  if (--of_user->second == 0) writing_.erase(of_user);
  --writes_;
  admit_writers();
}

void FlowControl::admit_writers() {
  while (const WaiterPtr waiter = take(Kind::Write)) {
    ++writing_[waiter->user];
    ++writes_;
    waiter->admitted = true;
    waiter->called.notify_all();
  }
}

bool FlowControl::try_list(const User&) {
  if (list_in_this_turn_) return false;
  list_in_this_turn_ = true;
  // Behind everything that waits for the reactor now.
  front_.post([self = self_] {
    if (*self) (*self)->next_list();
  });
  return true;
}

Task<> FlowControl::enter_list(const User& user) {
  if (!try_list(user)) co_await wait(Kind::List, user);
}

void FlowControl::next_list() {
  const WaiterPtr waiter = take(Kind::List);
  if (!waiter) {
    list_in_this_turn_ = false;
    return;
  }
  waiter->admitted = true;
  waiter->called.notify_all();
  front_.post([self = self_] {
    if (*self) (*self)->next_list();
  });
}

FlowControl::WaiterPtr FlowControl::take(Kind kind) {
  Queue& from = queue(kind);
  for (std::size_t seen = 0, users = from.order.size(); seen < users; ++seen) {
    std::string user = std::move(from.order.front());
    from.order.pop_front();
    auto& waiters = from.of_user.at(user);
    if (kind == Kind::Write && !has_room(user)) {
      from.order.push_back(std::move(user));
      continue;
    }
    WaiterPtr waiter = std::move(waiters.front());
    waiters.pop_front();
    --from.waiting;
    waiting_[static_cast<std::size_t>(kind)].add(-1);
    if (waiters.empty())
      from.of_user.erase(user);
    else
      from.order.push_back(std::move(user));
    return waiter;
  }
  return nullptr;
}

void FlowControl::give_up(Kind kind, const WaiterPtr& waiter) {
  Queue& from = queue(kind);
  const auto entry = from.of_user.find(waiter->user);
  if (entry == from.of_user.end() || std::erase(entry->second, waiter) == 0) return;
  --from.waiting;
  waiting_[static_cast<std::size_t>(kind)].add(-1);
  if (!entry->second.empty()) return;
  std::erase(from.order, waiter->user);
  from.of_user.erase(entry);
}

Task<> FlowControl::wait(Kind kind, const User& user) {
  const auto index = static_cast<std::size_t>(kind);
  Queue& in = queue(kind);
  const bool patient = is_system(user);
  auto& mine = in.of_user[user.name];
  if (!patient && mine.size() >= limits_.waiting_of_user) {
    refused_[index].add();
    throw too_many(user, std::to_string(mine.size()) + " are waiting already");
  }
  if (mine.empty()) in.order.push_back(user.name);
  const auto waiter = std::make_shared<Waiter>(front_, user.name);
  mine.push_back(waiter);
  ++in.waiting;
  waiting_[index].add(1);
  const Instant deadline = front_.now() + limits_.patience;
  while (!waiter->admitted) {
    if (patient) {
      co_await waiter->called.wait();
    } else if (!co_await waiter->called.wait_until(deadline) && !waiter->admitted) {
      give_up(kind, waiter);
      refused_[index].add();
      throw too_many(user, "none of the earlier ones has ended in time");
    }
  }
}

}  // namespace gantry::api::access
