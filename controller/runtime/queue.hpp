// The work queue. Its promise is client-go's: an item never runs twice at once, and one that is added while it runs
// runs exactly once more. Adding is a hint to look, so adding twice is adding once.
//
// Lanes: general workers take changes first, then deletions, then what is looked at only because time has passed; each
// waiting lane gets at least every eighth turn. Deletion workers take deletions only, so that a hundred creates that
// hang never keep an object from going. Within a lane: first come, first served.
//
// Memory is spent on what waits or runs and on nothing else. One reactor's thread.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/base/metrics.hpp"
#include "controller/base/reactor.hpp"
#include "controller/base/signal.hpp"
#include "controller/object/key.hpp"

namespace gantry::runtime {

enum class Lane : std::uint8_t { Change, Deletion, Resync };
enum class WorkerKind : std::uint8_t { General, Deletions };

class Queue {
 public:
  // What get() hands out, until done() takes it back.
  struct Item;

  // name is the label of the workqueue_* metrics.
  Queue(Reactor& reactor, const std::string& name);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // An item that waits in a lesser lane moves up; it never moves down.
  void add(const object::Key& key, Lane lane = Lane::Change);
  // Adds it when the time has come. Of several wishes for one item the earliest counts.
  void add_after(const object::Key& key, Duration delay, Lane lane = Lane::Resync);
  // Forgets a wish of add_after().
  void cancel_delayed(const object::Key& key);

  // Waits for an item. Null once the queue is closed: the worker goes home.
  Task<Item*> get(WorkerKind kind = WorkerKind::General);
  // The same without waiting; null when there is nothing.
  Item* take(WorkerKind kind = WorkerKind::General);
  void done(Item* item);
  // Takes this very item, once nobody works on it: for what must not happen beside an attempt. If it was waiting, it is
  // still handed out after done(). Null when the deadline came first, or the queue is closed.
  Task<Item*> claim(object::Key key, Instant deadline);
  static const object::Key& key_of(const Item* item);

  // Nothing is handed out any more, and everybody who waits is woken.
  void close();
  bool closed() const { return closed_; }

  std::size_t depth() const { return depth_; }          // waiting now
  std::size_t delayed() const { return heap_.size(); }  // waiting for their time
  std::size_t running() const { return running_; }
  void count_retry() { retries_.add(); }

 private:
  struct List {
    Item* head = nullptr;
    Item* tail = nullptr;
    bool empty() const { return head == nullptr; }
  };
  static constexpr std::size_t kLanes = 3;
  static constexpr unsigned kTurnsPerRound = 8;
  static constexpr std::size_t kSparesMax = 1024;
  static constexpr std::size_t kNotDelayed = static_cast<std::size_t>(-1);

  Item& item_for(const object::Key& key);
  void enqueue(Item& item, Lane lane);
  static void push(List& list, Item& item);
  static void unlink(List& list, Item& item);
  Item* first(WorkerKind kind);
  void start(Item& item, Instant now);
  void release_if_idle(Item& item);

  // The heap of delayed items: each knows its place, so that a wish can be moved or taken back.
  void heap_place(std::size_t at, Item* item);
  void heap_up(std::size_t at);
  void heap_down(std::size_t at);
  void heap_remove(std::size_t at);
  void arm();
  void on_timer();
  void watch_running();

  using Items = std::unordered_map<object::Key, Item, object::KeyHash>;

  Reactor& reactor_;
  Items items_;
  std::vector<Items::node_type> spares_;  // nodes that are used again: their strings and memory are warm
  std::array<List, kLanes> lanes_;
  List running_list_;  // the longest-running first
  std::vector<Item*> heap_;
  Clock::TimerId timer_ = 0;
  Instant timer_due_{};
  Clock::TimerId watch_timer_ = 0;
  std::uint64_t sequence_ = 0;
  std::size_t depth_ = 0;
  std::size_t running_ = 0;
  unsigned turn_ = 0;
  bool closed_ = false;
  Signal general_;
  Signal deletions_;
  Signal finished_;  // an item is done; only claim() waits for it

  metrics::Gauge depth_metric_;
  metrics::Counter adds_;
  metrics::Counter retries_;
  metrics::Histogram waited_;
  metrics::Histogram worked_;
  metrics::Gauge unfinished_;
  metrics::Gauge longest_;
};

}  // namespace gantry::runtime
