#include "controller/store/write_queue.hpp"

#include <atomic>

#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kResumeAtOnce = 64;  // writers in one turn of the loop, so that a turn stays short
constexpr std::size_t kBuryWhenIdle =
    512;  // rows in one commit: a few milliseconds, in which a writer may have to wait

const log::Logger& logger() {
  static const log::Logger instance("store");
  return instance;
}

const metrics::Histogram& commit_duration() {
  static const auto histogram = metrics::histogram(
      "gantry_store_commit_duration_seconds", "From handing a batch to the disk until it was durable.",
      {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5});
  return histogram;
}

const metrics::Histogram& commit_objects() {
  static const auto histogram = metrics::histogram("gantry_store_commit_objects", "Changes in one durable batch.",
                                                   {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096});
  return histogram;
}

const metrics::Gauge& read_only() {
  static const auto gauge = metrics::gauge("gantry_store_read_only",
                                           "1 when the disk has failed and nothing can be written until a restart.");
  return gauge;
}

Task<> parked(std::vector<std::move_only_function<void()>>& waiting) {
  return asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
      [&waiting](auto handler) {
        waiting.emplace_back([handler = std::move(handler)]() mutable { std::move(handler)(); });
      },
      use_task);
}

}  // namespace

struct WriteQueue::Shared {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const RowCodec> codec;
  std::string buffer;  // of the helper; kept for its capacity
  std::atomic<bool> busy{false};

  Outcome commit(const Batch& batch, std::span<const Revision> dead, const Counters& counters) {
    try {
      buffer.clear();
      std::vector<std::size_t> ends;
      ends.reserve(batch.changes.size());
      for (const Change& change : batch.changes) {
        codec->append(buffer, change);
        ends.push_back(buffer.size());
      }
      std::vector<Row> rows;
      rows.reserve(ends.size());
      for (std::size_t i = 0, start = 0; i < ends.size(); start = ends[i++]) {
        rows.push_back({batch.changes[i].revision(), std::string_view(buffer).substr(start, ends[i] - start)});
      }
      Outcome outcome = engine->commit({rows, dead, counters});
      constexpr std::size_t kKeep = 1 << 20;
      if (buffer.capacity() > kKeep) std::string().swap(buffer);
      return outcome;
    } catch (const std::exception& error) {  // tidy: a helper thread has nobody above it
      return {Outcome::Kind::Full, error.what()};
    }
  }
};

WriteQueue::WriteQueue(Reactor& front, Blocking& blocking, std::shared_ptr<Engine> engine,
                       std::shared_ptr<const RowCodec> codec, Limits limits, Publish publish, Floor counters)
    : front_(front),
      blocking_(blocking),
      limits_(limits),
      publish_(std::move(publish)),
      counters_(std::move(counters)),
      shared_(std::make_shared<Shared>()),
      self_(std::make_shared<WriteQueue*>(this)) {
  shared_->engine = std::move(engine);
  shared_->codec = std::move(codec);
  read_only().set(0);
}

WriteQueue::~WriteQueue() {
  *self_ = nullptr;
  shared_->busy.wait(true);
  // Who still waits is let go here, on this thread, whoever else holds the batch.
  if (committing_) std::exchange(committing_->waiting, {}).clear();
  for (const BatchPtr& batch : batches_) std::exchange(batch->waiting, {}).clear();
  std::exchange(resuming_, {}).clear();
  std::exchange(waiting_for_idle_, {}).clear();
}

const Pending* WriteQueue::pending(const Key& key) const {
  if (pending_.empty()) return nullptr;
  const auto found = pending_.find(key);
  return found == pending_.end() ? nullptr : &found->second;
}

BatchPtr WriteQueue::add(Change change) {
  if (batches_.empty() || batches_.back()->changes.size() >= limits_.writes ||
      batches_.back()->bytes >= limits_.bytes) {
    batches_.push_back(std::make_shared<Batch>());
  }
  const BatchPtr& batch = batches_.back();
  batch->bytes += change.object->bytes().size();
  pending_.insert_or_assign(change.object->key(), Pending{change, batch});
  batch->changes.push_back(std::move(change));
  kick();
  return batch;
}

Task<> WriteQueue::settled(BatchPtr batch) {
  if (batch->state == Batch::State::Gathering) co_await parked(batch->waiting);
}

Task<> WriteQueue::idle() {
  while (busy()) co_await parked(waiting_for_idle_);
}

Task<> WriteQueue::buried() {
  refusal_.clear();
  while (!dead_.empty() || committing_) {
    if (!broken_.empty() || !refusal_.empty()) {
      throw Error(ErrorCode::Unavailable,
                  "the store cannot be compacted now: " + (broken_.empty() ? refusal_ : broken_));
    }
    kick();
    co_await parked(waiting_for_idle_);
  }
}

void WriteQueue::kick() {
  if (kicked_ || committing_) return;
  kicked_ = true;
  // Not at once: whoever else is ready in this turn of the loop still joins.
  front_.post([self = self_] {
    if (*self) (*self)->start();
  });
}

void WriteQueue::start() {
  kicked_ = false;
  if (committing_ || (batches_.empty() && (dead_.empty() || !broken_.empty()))) return;
  std::size_t bury = kBuryWhenIdle;
  if (batches_.empty()) {
    committing_ = std::make_shared<Batch>();
  } else {
    committing_ = std::move(batches_.front());
    batches_.pop_front();
    bury = 2 * committing_->changes.size();  // keeps up with any rate of updates
  }
  bury = std::min(bury, dead_.size());
  burying_.assign(dead_.begin(), dead_.begin() + static_cast<std::ptrdiff_t>(bury));
  dead_.erase(dead_.begin(), dead_.begin() + static_cast<std::ptrdiff_t>(bury));
  Counters counters = counters_();
  if (!committing_->changes.empty()) counters.last = committing_->changes.back().revision();
  started_ = front_.now();
  shared_->busy = true;
  blocking_.submit([&front = front_, shared = shared_, self = self_, batch = committing_, dead = burying_, counters] {
    Outcome outcome = shared->commit(*batch, dead, counters);
    front.post([self, outcome = std::move(outcome)] {
      if (*self) (*self)->finish(outcome);
    });
    shared->busy = false;
    shared->busy.notify_all();
  });
}

void WriteQueue::finish(const Outcome& outcome) {
  const BatchPtr batch = std::exchange(committing_, nullptr);
  refusal_ = outcome.reason;
  const auto let_go = [this](std::vector<std::move_only_function<void()>>& waiting) {
    for (auto& resume : std::exchange(waiting, {})) resuming_.push_back(std::move(resume));
  };
  if (outcome.kind == Outcome::Kind::Durable) {
    publish(*batch);
    let_go(batch->waiting);
  } else {
    fail(*batch, outcome);
    let_go(batch->waiting);
    for (const BatchPtr& later : batches_) {
      later->state = Batch::State::Dissolved;
      let_go(later->waiting);
    }
    batches_.clear();
    pending_.clear();
  }
  // The disk has work again before anybody is woken.
  if (!batches_.empty()) {
    start();
  } else if (!dead_.empty() && outcome.kind == Outcome::Kind::Durable) {
    kick();
  }
  let_go(waiting_for_idle_);
  resume_some();
}

void WriteQueue::resume_some() {
  const auto self = self_;
  for (std::size_t i = 0; i < kResumeAtOnce && !resuming_.empty(); ++i) {
    auto resume = std::move(resuming_.front());
    resuming_.pop_front();
    resume();
    if (!*self) return;  // it has ended the store
  }
  if (resuming_.empty()) return;
  front_.post([self] {
    if (*self) (*self)->resume_some();
  });
}

void WriteQueue::publish(Batch& batch) {
  commit_duration().observe(std::chrono::duration<double>(front_.now() - started_).count());
  if (batch.changes.empty()) return;
  commit_objects().observe(static_cast<double>(batch.changes.size()));
  batch.state = Batch::State::Durable;
  for (const Change& change : batch.changes) {
    const auto found = pending_.find(change.object->key());
    if (found != pending_.end() && found->second.change.object == change.object) pending_.erase(found);
  }
  publish_(batch);
}

void WriteQueue::fail(Batch& batch, const Outcome& outcome) {
  batch.state = Batch::State::Failed;
  batch.reason = outcome.reason;
  dead_.insert(dead_.begin(), burying_.begin(), burying_.end());
  const bool broken = outcome.kind == Outcome::Kind::Broken;
  if (broken) {
    broken_ = outcome.reason;
    read_only().set(1);
  }
  logger().error(broken ? "the disk failed; the store is read-only until restart"
                        : "a commit was refused by the disk; writes go on when there is room",
                 {{"error", outcome.reason}, {"writes", batch.changes.size()}});
}

}  // namespace gantry::store
