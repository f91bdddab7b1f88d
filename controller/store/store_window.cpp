// How changes become visible and how they age: publishing, the window, compaction, and loading, which is both at once.
//
// A row is dead, and may be deleted from the disk, when no reader that the window allows can ask for it: a superseded
// row once the floor has reached the row that came after, a deletion's row once the floor has reached itself. Dead rows
// are deleted in that order, a prefix at a time, together with the floor that made them dead. So at every crash point
// (1) no row above the stored floor is missing, and a watch from there sees everything once; (2) the rows at or below
// it still say what the newest state of each key was, since a deletion's row outlives every older row of its key.
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"
#include "controller/store/store_room.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kFramesKept = 4096;  // per resource; a watch further behind writes a frame anew

void report(Revision revision, const Engine& engine) {
  static const auto newest = metrics::gauge("gantry_store_revision", "The newest durable revision.");
  static const auto size = metrics::gauge("gantry_store_bytes", "Size of the store on the disk.");
  newest.set(static_cast<double>(revision));
  size.set(static_cast<double>(engine.bytes()));
}

}  // namespace

EmbeddedStore::Room& EmbeddedStore::room(Resource resource) {
  const auto found = rooms_.find(resource);
  if (found != rooms_.end()) return found->second;
  return rooms_.try_emplace(resource, history_.ring(resource), std::string(resource.qualified())).first->second;
}

const EmbeddedStore::Room* EmbeddedStore::find_room(Resource resource) const {
  const auto found = rooms_.find(resource);
  return found == rooms_.end() ? nullptr : &found->second;
}

void EmbeddedStore::publish(const Batch& batch) {
  const Instant now = front_.now();
  std::vector<Room*> touched;
  for (const Change& change : batch.changes) {
    Room& in = room(change.object->key().resource);
    if (!std::exchange(in.touched, true)) touched.push_back(&in);
    live_bytes_ -= in.shelf.live_bytes();
    ObjectPtr before = in.shelf.apply(change);
    live_bytes_ += in.shelf.live_bytes();
    record(change, std::move(before), now);
  }
  durable_ = batch.changes.back().revision();
  report(durable_, *engine_);
  trim(now);
  for (Room* in : touched) {
    in->touched = false;
    in->objects.set(static_cast<double>(in->shelf.live()));
    in->ring->forget_frames(kFramesKept);
    for (Signal* wake : in->ring->watching) wake->notify_all();
  }
}

void EmbeddedStore::record(const Change& change, ObjectPtr before, Instant now) {
  auto event = std::make_shared<Event>();
  event->type = change.deleted ? Event::Type::Deleted : before ? Event::Type::Modified : Event::Type::Added;
  event->revision = change.revision();
  event->object = change.object;
  event->previous = std::move(before);
  history_.push(std::move(event), now);
}

bool EmbeddedStore::over(Instant now) const {
  if (history_.empty()) return false;
  return history_.size() > options_.window_events ||
         history_.bytes() > std::max(options_.window_bytes, live_bytes_ / 2) ||
         now - history_.oldest_time() >= options_.window_age;
}

void EmbeddedStore::trim(Instant now) {
  while (over(now)) pass_oldest();
  if (queue_->dead() > 0 && !queue_->busy()) queue_->bury_soon();
  arm();
}

void EmbeddedStore::pass_oldest() {
  const EventPtr event = history_.pop();
  floor_ = event->revision;
  const Key& key = event->object->key();
  if (event->previous) queue_->bury(event->previous->revision());
  if (event->type == Event::Type::Deleted) queue_->bury(event->revision);
  room(key.resource).shelf.prune(key, floor_);
}

// One timer at a time, for the oldest event, and none when there is no event: an idle store does nothing.
void EmbeddedStore::arm() {
  if (timer_ || closed_ || history_.empty()) return;
  constexpr Duration kAtOnce = std::chrono::seconds(1);  // events that age within it go together
  timer_ = front_.clock().call_at(front_, history_.oldest_time() + options_.window_age + kAtOnce, [this] {
    timer_.reset();
    trim(front_.now());
  });
}

Task<> EmbeddedStore::compact(Revision oldest) {
  const auto pass = gate_.enter();
  if (oldest > durable_) {
    throw Error(ErrorCode::BadRequest,
                "cannot compact to revision " + std::to_string(oldest) + ": the newest is " + std::to_string(durable_));
  }
  while (!history_.empty() && history_.oldest()->revision <= oldest) pass_oldest();
  floor_ = std::max(floor_, oldest);
  co_await queue_->buried();
}

// Rows come in revision order. At or below the stored floor they are the state the window starts from; above it they
// are the window.
class Loader final : public RowVisitor {
 public:
  explicit Loader(EmbeddedStore& store) : store_(store), now_(store.front_.now()) {}

  void begin(const Counters& counters) override {
    store_.floor_ = counters.floor;
    store_.key_id_ = counters.key_id;
    store_.durable_ = std::max(counters.last, counters.floor);
  }

  void row(const Row& row) override {
    const Change change = store_.codec_->read(row);
    auto& in = store_.room(change.object->key().resource);
    const bool in_window = change.revision() > store_.floor_;
    if (!in_window) {  // dead rows here were left by a compaction that was cut off, or had not begun
      const Entry* entry = in.shelf.find(change.object->key());
      if (entry && !entry->newest().deleted) store_.queue_->bury(entry->newest().object->revision());
      if (change.deleted) store_.queue_->bury(change.revision());
      if (change.deleted) tombstones_.push_back(change.object->key());
    }
    ObjectPtr before = in.shelf.load(change, in_window);
    if (in_window) store_.record(change, std::move(before), now_);
    store_.durable_ = std::max(store_.durable_, change.revision());
  }

  void finish() {
    for (auto& [resource, in] : store_.rooms_) {
      in.shelf.finish_load();
      store_.live_bytes_ += in.shelf.live_bytes();
      in.objects.set(static_cast<double>(in.shelf.live()));
    }
    for (const Key& gone : tombstones_) store_.room(gone.resource).shelf.prune(gone, store_.floor_);
    store_.last_ = store_.durable_;
    report(store_.durable_, *store_.engine_);
    store_.trim(now_);
  }

 private:
  EmbeddedStore& store_;
  Instant now_;
  std::vector<Key> tombstones_;
};

void EmbeddedStore::load(Engine& engine) {
  Loader loader(*this);
  engine.scan(loader);
  loader.finish();
}

}  // namespace gantry::store
