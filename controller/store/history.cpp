#include "controller/store/history.hpp"

#include <algorithm>

namespace gantry::store {

std::uint64_t Ring::position_after(Revision revision) const {
  const auto after = std::partition_point(events_.begin(), events_.end(),
                                          [&](const EventPtr& event) { return event->revision <= revision; });
  return begin_ + static_cast<std::uint64_t>(after - events_.begin());
}

void Ring::pop() {
  events_.pop_front();
  ++begin_;
}

void Ring::forget_frames(std::size_t keep) {
  framed_ = std::max(framed_, begin_);
  for (; framed_ + keep < end(); ++framed_) {
    const EventPtr& event = at(framed_);
    // The ring and the order hold one each; a third holder is a watch that is still sending.
    if (event.use_count() == 2) std::string().swap(event->frame_);
  }
}

std::size_t History::held_by(const Event& event) {
  constexpr std::size_t kOverhead = 300;
  std::size_t bytes = kOverhead;
  if (event.previous) bytes += event.previous->bytes().size();
  if (event.type == Event::Type::Deleted) bytes += event.object->bytes().size();
  return bytes;
}

void History::push(EventPtr event, Instant now) {
  Ring& target = ring(event->object->key().resource);
  bytes_ += held_by(*event);
  target.push(event);
  order_.push_back({std::move(event), now, &target});
}

EventPtr History::pop() {
  Item item = std::move(order_.front());
  order_.pop_front();
  item.ring->pop();
  bytes_ -= held_by(*item.event);
  return std::move(item.event);
}

}  // namespace gantry::store
