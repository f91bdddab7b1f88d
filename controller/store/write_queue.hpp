// Group commit. Writes that passed their check gather in a batch while the batch before is on its way to the disk; when
// that is durable it is published, in order, and the next leaves. Front thread, apart from the commit itself.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/clock.hpp"
#include "controller/store/change.hpp"

namespace gantry::store {

using object::Key;

struct Batch {
  enum class State {
    Gathering,
    Durable,
    Failed,     // nothing of it was written
    Dissolved,  // it stood on a batch that failed: its writes must be judged anew
  };
  State state = State::Gathering;
  std::string reason;  // when Failed
  std::vector<Change> changes;
  std::size_t bytes = 0;
  std::vector<std::move_only_function<void()>> waiting;
};
using BatchPtr = std::shared_ptr<Batch>;

// The newest state of a key that is not durable yet.
struct Pending {
  Change change;
  BatchPtr batch;
};

class WriteQueue {
 public:
  struct Limits {
    std::size_t writes;
    std::size_t bytes;
  };
  using Publish = std::function<void(const Batch&)>;
  using Floor = std::function<Counters()>;

  WriteQueue(Reactor& front, Blocking& blocking, std::shared_ptr<Engine> engine, std::shared_ptr<const RowCodec> codec,
             Limits limits, Publish publish, Floor counters);
  ~WriteQueue();  // waits for a commit under way; who waits for it is never resumed

  const Pending* pending(const Key& key) const;
  // The change's revision must be above all before it.
  BatchPtr add(Change change);
  // Waits until the batch has left Gathering.
  static Task<> settled(BatchPtr batch);

  // Rows to be deleted with commits to come. A little goes with every batch; the rest when nobody writes.
  void bury(Revision dead) { dead_.push_back(dead); }
  void bury_soon() { kick(); }
  std::size_t dead() const { return dead_.size(); }

  bool busy() const { return committing_ != nullptr || !batches_.empty(); }
  // Waits until no write is under way.
  Task<> idle();
  // Waits until all that was to be deleted is. Throws Error(Unavailable) when the disk refuses.
  Task<> buried();
  // Set once the disk has failed in a way that leaves its state unknown; empty before.
  const std::string& broken() const { return broken_; }

 private:
  struct Shared;
  void kick();
  void start();
  void finish(const Outcome& outcome);
  void publish(Batch& batch);
  void fail(Batch& batch, const Outcome& outcome);
  void resume_some();

  Reactor& front_;
  Blocking& blocking_;
  Limits limits_;
  Publish publish_;
  Floor counters_;
  std::shared_ptr<Shared> shared_;  // what the helper thread holds on to
  std::deque<BatchPtr> batches_;    // gathering; all but the last are full
  BatchPtr committing_;
  std::vector<Revision> burying_;
  std::deque<Revision> dead_;  // oldest first: a key's older rows always go before its tombstone
  std::unordered_map<Key, Pending, object::KeyHash> pending_;
  bool kicked_ = false;
  Instant started_{};
  std::string broken_;
  std::string refusal_;  // of the last commit; empty when it was durable
  std::vector<std::move_only_function<void()>> waiting_for_idle_;
  std::deque<std::move_only_function<void()>> resuming_;  // their batch has settled
  std::shared_ptr<WriteQueue*> self_;  // what is posted to the front finds out here whether the queue is still there
};

}  // namespace gantry::store
