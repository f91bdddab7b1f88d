#include "controller/runtime/queue.hpp"

#include <algorithm>

namespace gantry::runtime {

using object::Key;

struct Queue::Item {
  const Key* key = nullptr;  // the map's own
  Item* previous = nullptr;
  Item* next = nullptr;
  Instant since{};  // when it was added; once it runs, when it was taken
  Instant due{};
  std::uint64_t order = 0;  // among items that are due in the same instant
  std::size_t heap_at = kNotDelayed;
  Lane lane = Lane::Change;
  Lane due_lane = Lane::Resync;
  bool waiting = false;  // in a lane
  bool running = false;
  bool again = false;  // was added while it ran
};

namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Lower is served sooner by a general worker.
int rank(Lane lane) { return static_cast<int>(lane); }

constexpr Duration kWatchRunningEvery = std::chrono::seconds(1);

}  // namespace

Queue::Queue(Reactor& reactor, const std::string& name)
    : reactor_(reactor),
      general_(reactor),
      deletions_(reactor),
      finished_(reactor),
      depth_metric_(metrics::gauge("workqueue_depth", "Current depth of workqueue", {{"name", name}})),
      adds_(metrics::counter("workqueue_adds_total", "Total number of adds handled by workqueue", {{"name", name}})),
      retries_(metrics::counter("workqueue_retries_total", "Total number of retries handled by workqueue",
                                {{"name", name}})),
      waited_(metrics::histogram("workqueue_queue_duration_seconds",
                                 "How long in seconds an item stays in workqueue before being requested",
                                 metrics::queue_buckets(), {{"name", name}})),
      worked_(metrics::histogram("workqueue_work_duration_seconds",
                                 "How long in seconds processing an item from workqueue takes",
                                 metrics::queue_buckets(), {{"name", name}})),
      unfinished_(metrics::gauge("workqueue_unfinished_work_seconds",
                                 "How many seconds of work are in progress and not yet observed by work_duration",
                                 {{"name", name}})),
      longest_(metrics::gauge("workqueue_longest_running_processor_seconds",
                              "How many seconds the longest running processor has been running", {{"name", name}})) {}

Queue::~Queue() { close(); }

const Key& Queue::key_of(const Item* item) { return *item->key; }

Queue::Item& Queue::item_for(const Key& key) {
  if (const auto found = items_.find(key); found != items_.end()) return found->second;
  if (spares_.empty()) {
    const auto [made, added] = items_.try_emplace(key);
    made->second.key = &made->first;
    return made->second;
  }
  Items::node_type node = std::move(spares_.back());
  spares_.pop_back();
  node.key() = key;
  const auto made = items_.insert(std::move(node)).position;
  made->second.key = &made->first;
  return made->second;
}

void Queue::push(List& list, Item& item) {
  item.previous = list.tail;
  item.next = nullptr;
  (list.tail ? list.tail->next : list.head) = &item;
  list.tail = &item;
}

void Queue::unlink(List& list, Item& item) {
  (item.previous ? item.previous->next : list.head) = item.next;
  (item.next ? item.next->previous : list.tail) = item.previous;
  item.previous = item.next = nullptr;
}

void Queue::add(const Key& key, Lane lane) {
  if (closed_) return;
  enqueue(item_for(key), lane);
}

void Queue::enqueue(Item& item, Lane lane) {
  // A deletion is its own lane for good: what is going is not a change any more.
  const auto better = [&] {
    return lane == Lane::Deletion || (item.lane != Lane::Deletion && rank(lane) < rank(item.lane));
  };
  if (item.running) {
    if (!item.again || better()) item.lane = lane;
    if (!std::exchange(item.again, true)) adds_.add();
    return;
  }
  if (item.waiting) {
    if (item.lane == lane || !better()) return;
    unlink(lanes_[static_cast<std::size_t>(item.lane)], item);
  } else {
    item.waiting = true;
    item.since = reactor_.now();
    depth_metric_.set(static_cast<double>(++depth_));
    adds_.add();
  }
  item.lane = lane;
  push(lanes_[static_cast<std::size_t>(lane)], item);
  if (lane == Lane::Deletion && deletions_.waiting() > 0) {
    deletions_.notify_one();
  } else {
    general_.notify_one();
  }
}

Queue::Item* Queue::first(WorkerKind kind) {
  const auto at = [&](Lane lane) { return lanes_[static_cast<std::size_t>(lane)].head; };
  if (kind == WorkerKind::Deletions) return at(Lane::Deletion);
  // Two turns of each round are kept for the lanes that would otherwise wait for ever behind a steady stream.
  const unsigned turn = turn_++ % kTurnsPerRound;
  if (turn == kTurnsPerRound - 1 && at(Lane::Resync)) return at(Lane::Resync);
  if (turn == kTurnsPerRound - 2 && at(Lane::Deletion)) return at(Lane::Deletion);
  for (const Lane lane : {Lane::Change, Lane::Deletion, Lane::Resync}) {
    if (Item* item = at(lane)) return item;
  }
  return nullptr;
}

Queue::Item* Queue::take(WorkerKind kind) {
  if (closed_) return nullptr;
  Item* item = first(kind);
  if (!item) return nullptr;
  unlink(lanes_[static_cast<std::size_t>(item->lane)], *item);
  const Instant now = reactor_.now();
  waited_.observe(seconds(now - item->since));
  item->waiting = false;
  depth_metric_.set(static_cast<double>(--depth_));
  start(*item, now);
  return item;
}

void Queue::start(Item& item, Instant now) {
  item.since = now;
  item.running = true;
  ++running_;
  push(running_list_, item);
  if (watch_timer_ == 0) watch_running();
}

Task<Queue::Item*> Queue::claim(Key key, Instant deadline) {
  while (!closed_) {
    Item& item = item_for(key);
    if (!item.running) {
      if (std::exchange(item.waiting, false)) {
        unlink(lanes_[static_cast<std::size_t>(item.lane)], item);
        depth_metric_.set(static_cast<double>(--depth_));
        item.again = true;
      }
      start(item, reactor_.now());
      co_return &item;
    }
    if (!co_await finished_.wait_until(deadline)) break;
  }
  co_return nullptr;
}

Task<Queue::Item*> Queue::get(WorkerKind kind) {
  while (!closed_) {
    if (Item* item = take(kind)) co_return item;
    co_await (kind == WorkerKind::Deletions ? deletions_ : general_).wait();
  }
  co_return nullptr;
}

void Queue::done(Item* item) {
  worked_.observe(seconds(reactor_.now() - item->since));
  unlink(running_list_, *item);
  --running_;
  item->running = false;
  if (std::exchange(item->again, false) && !closed_) {
    enqueue(*item, item->lane);
  }
  release_if_idle(*item);
  if (finished_.waiting() > 0) finished_.notify_all();
}

void Queue::release_if_idle(Item& item) {
  if (item.waiting || item.running || item.heap_at != kNotDelayed) return;
  Items::node_type node = items_.extract(*item.key);
  if (spares_.size() >= kSparesMax) return;
  node.mapped() = Item{};
  spares_.push_back(std::move(node));
}

void Queue::add_after(const Key& key, Duration delay, Lane lane) {
  if (closed_) return;
  if (delay <= Duration::zero()) return add(key, lane);
  Item& item = item_for(key);
  const Instant due = reactor_.now() + delay;
  if (item.heap_at != kNotDelayed) {
    if (item.due <= due) return;
    item.due = due;
    item.due_lane = lane;
    heap_up(item.heap_at);
  } else {
    item.due = due;
    item.due_lane = lane;
    item.order = ++sequence_;
    heap_.push_back(nullptr);
    heap_place(heap_.size() - 1, &item);
    heap_up(heap_.size() - 1);
  }
  arm();
}

void Queue::cancel_delayed(const Key& key) {
  const auto found = items_.find(key);
  if (found == items_.end() || found->second.heap_at == kNotDelayed) return;
  heap_remove(found->second.heap_at);
  release_if_idle(found->second);
}

void Queue::heap_place(std::size_t at, Item* item) {
  heap_[at] = item;
  item->heap_at = at;
}

namespace {
template <class Item>
bool sooner(const Item* a, const Item* b) {
  return a->due != b->due ? a->due < b->due : a->order < b->order;
}
}  // namespace

void Queue::heap_up(std::size_t at) {
  Item* item = heap_[at];
  for (; at > 0; at = (at - 1) / 2) {
    Item* parent = heap_[(at - 1) / 2];
    if (!sooner(item, parent)) break;
    heap_place(at, parent);
  }
  heap_place(at, item);
}

void Queue::heap_down(std::size_t at) {
  Item* item = heap_[at];
  for (std::size_t child = 2 * at + 1; child < heap_.size(); child = 2 * at + 1) {
    if (child + 1 < heap_.size() && sooner(heap_[child + 1], heap_[child])) ++child;
    if (!sooner(heap_[child], item)) break;
    heap_place(at, heap_[child]);
    at = child;
  }
  heap_place(at, item);
}

void Queue::heap_remove(std::size_t at) {
  heap_[at]->heap_at = kNotDelayed;
  Item* last = heap_.back();
  heap_.pop_back();
  if (at == heap_.size()) return;
  heap_place(at, last);
  heap_up(at);
  heap_down(last->heap_at);
}

void Queue::arm() {
  if (heap_.empty()) return;
  const Instant due = heap_.front()->due;
  if (timer_ != 0) {
    if (timer_due_ <= due) return;  // wakes a little too early at worst, and then arms itself again
    reactor_.clock().cancel(timer_);
  }
  timer_due_ = due;
  timer_ = reactor_.clock().call_at(reactor_, due, [this] { on_timer(); });
}

void Queue::on_timer() {
  timer_ = 0;
  const Instant now = reactor_.now();
  while (!heap_.empty() && heap_.front()->due <= now) {
    Item* item = heap_.front();
    heap_remove(0);
    enqueue(*item, item->due_lane);
  }
  arm();
}

// Runs only while something is being worked on: an idle queue arms no timer.
void Queue::watch_running() {
  const Instant now = reactor_.now();
  double total = 0;
  double longest = 0;
  for (const Item* item = running_list_.head; item; item = item->next) {
    const double age = seconds(now - item->since);
    total += age;
    longest = std::max(longest, age);
  }
  unfinished_.set(total);
  longest_.set(longest);
  watch_timer_ = 0;
  if (running_ == 0) return;
  watch_timer_ = reactor_.clock().call_at(reactor_, now + kWatchRunningEvery, [this] { watch_running(); });
}

void Queue::close() {
  if (std::exchange(closed_, true)) return;
  if (timer_ != 0) reactor_.clock().cancel(std::exchange(timer_, 0));
  if (watch_timer_ != 0) reactor_.clock().cancel(std::exchange(watch_timer_, 0));
  general_.notify_all();
  deletions_.notify_all();
  finished_.notify_all();
}

}  // namespace gantry::runtime
