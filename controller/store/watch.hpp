// A cursor in a ring. The store outlives nothing of it: when the store goes first, the watch is closed.
#pragma once

#include <memory>

#include "controller/store/history.hpp"

namespace gantry::store {

// Shared by the watch and whoever waits in its next(), so that the handle may be destroyed meanwhile.
struct Cursor {
  Cursor(Reactor& reactor, Ring& ring_, const Revision& durable_, std::uint64_t position_, Revision from)
      : ring(&ring_), durable(&durable_), position(position_), delivered(from), wake(reactor) {}

  Ring* ring;               // null once closed
  const Revision* durable;  // the store's newest
  std::uint64_t position;
  Revision delivered;  // valid while there is something behind the position
  Signal wake;
  std::list<Signal*>::iterator registration;
};

// All cursors of one store, to be closed with it.
class Cursors {
 public:
  std::shared_ptr<Cursor> open(Reactor& reactor, Ring& ring, const Revision& durable, Revision from);
  void close(Cursor& cursor);
  void close_all();
  std::size_t size() const { return open_.size(); }

 private:
  std::unordered_map<Cursor*, std::weak_ptr<Cursor>> open_;
};

std::unique_ptr<Watch> make_watch(std::shared_ptr<Cursor> cursor, std::shared_ptr<Cursors> cursors);

}  // namespace gantry::store
