// The window: every event since the floor, one ring for each resource, and the order over all of them.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <unordered_map>

#include "controller/base/signal.hpp"
#include "controller/store/change.hpp"
#include "controller/store/store.hpp"

namespace gantry::store {

// Watches read it in place. Positions count every event the resource ever had since the start of the process.
class Ring {
 public:
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return begin_ + events_.size(); }
  const EventPtr& at(std::uint64_t position) const { return events_[position - begin_]; }
  // The first event after the revision.
  std::uint64_t position_after(Revision revision) const;

  void push(EventPtr event) { events_.push_back(std::move(event)); }
  void pop();
  // Gives back the frames of all but the newest `keep` events, where nobody is still sending them.
  void forget_frames(std::size_t keep);

  std::list<Signal*> watching;  // woken after every batch that touched the resource

 private:
  std::deque<EventPtr> events_;
  std::uint64_t begin_ = 0;
  std::uint64_t framed_ = 0;  // before this position no event has a frame
};

class History {
 public:
  Ring& ring(Resource resource) { return rings_[resource]; }
  std::unordered_map<Resource, Ring, ResourceHash>& rings() { return rings_; }
  void push(EventPtr event, Instant now);

  bool empty() const { return order_.empty(); }
  std::size_t size() const { return order_.size(); }
  std::size_t bytes() const { return bytes_; }  // held by the window alone
  Instant oldest_time() const { return order_.front().at; }
  const EventPtr& oldest() const { return order_.front().event; }
  EventPtr pop();

 private:
  struct Item {
    EventPtr event;
    Instant at;
    Ring* ring;
  };
  static std::size_t held_by(const Event& event);

  std::unordered_map<Resource, Ring, ResourceHash> rings_;
  std::deque<Item> order_;
  std::size_t bytes_ = 0;
};

}  // namespace gantry::store
