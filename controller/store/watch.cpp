#include "controller/store/watch.hpp"

#include "controller/base/error.hpp"
#include "controller/base/metrics.hpp"

namespace gantry::store {
namespace {

const metrics::Gauge& watches_open() {
  static const auto gauge = metrics::gauge("gantry_store_watches", "Open watches on the store.");
  return gauge;
}

[[noreturn]] void expired(const Cursor& cursor) {
  static const auto counter = metrics::counter("gantry_store_watch_expired_total",
                                               "Watches that were too slow for the window and had to list anew.");
  counter.add();
  throw Error(ErrorCode::Expired, "too old resource version: " + std::to_string(cursor.delivered) +
                                      " is no longer in the history; list again and watch from there");
}

std::vector<EventPtr> take(Cursor& cursor, std::size_t max) {
  std::vector<EventPtr> events;
  if (!cursor.ring) return events;
  if (cursor.position < cursor.ring->begin()) expired(cursor);
  const std::uint64_t end = std::min<std::uint64_t>(cursor.ring->end(), cursor.position + max);
  events.reserve(end - cursor.position);
  for (; cursor.position < end; ++cursor.position) events.push_back(cursor.ring->at(cursor.position));
  if (!events.empty()) cursor.delivered = events.back()->revision;
  return events;
}

// A free function on a shared cursor: the Watch may be destroyed while somebody waits here.
Task<std::vector<EventPtr>> take_or_wait(std::shared_ptr<Cursor> cursor, std::size_t max) {
  while (true) {
    auto events = take(*cursor, max);
    if (!events.empty() || !cursor->ring) co_return events;
    co_await cursor->wake.wait();
  }
}

class RingWatch final : public Watch {
 public:
  RingWatch(std::shared_ptr<Cursor> cursor, std::shared_ptr<Cursors> cursors)
      : cursor_(std::move(cursor)), cursors_(std::move(cursors)) {}
  ~RingWatch() override { cursors_->close(*cursor_); }

  Task<std::vector<EventPtr>> next(std::size_t max) override {
    return take_or_wait(cursor_, std::max<std::size_t>(max, 1));
  }
  std::vector<EventPtr> ready(std::size_t max) override { return take(*cursor_, max); }

  Revision revision() const override {
    const bool all_delivered = cursor_->ring && cursor_->position == cursor_->ring->end();
    return all_delivered ? *cursor_->durable : cursor_->delivered;
  }

  void close() override { cursors_->close(*cursor_); }
  bool closed() const override { return cursor_->ring == nullptr; }

 private:
  std::shared_ptr<Cursor> cursor_;
  std::shared_ptr<Cursors> cursors_;
};

}  // namespace

std::shared_ptr<Cursor> Cursors::open(Reactor& reactor, Ring& ring, const Revision& durable, Revision from) {
  auto cursor = std::make_shared<Cursor>(reactor, ring, durable, ring.position_after(from), from);
  cursor->registration = ring.watching.insert(ring.watching.end(), &cursor->wake);
  open_.emplace(cursor.get(), cursor);
  watches_open().add(1);
  return cursor;
}

void Cursors::close(Cursor& cursor) {
  if (!cursor.ring) return;
  // What was delivered stays true for whoever resumes from revision().
  if (cursor.position == cursor.ring->end()) cursor.delivered = *cursor.durable;
  cursor.ring->watching.erase(cursor.registration);
  cursor.ring = nullptr;
  cursor.wake.notify_all();
  open_.erase(&cursor);
  watches_open().add(-1);
}

void Cursors::close_all() {
  while (!open_.empty()) close(*open_.begin()->first);
}

std::unique_ptr<Watch> make_watch(std::shared_ptr<Cursor> cursor, std::shared_ptr<Cursors> cursors) {
  return std::make_unique<RingWatch>(std::move(cursor), std::move(cursors));
}

}  // namespace gantry::store
