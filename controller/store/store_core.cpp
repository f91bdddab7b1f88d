#include "controller/store/store_core.hpp"

#include "controller/base/error.hpp"
#include "controller/store/backup.hpp"
#include "controller/store/store_room.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kNameMax = 1024;

[[noreturn]] void check_name(const Key& key) {
  throw Error(ErrorCode::Invalid,
              "the store takes names of up to 1024 bytes; this one begins " + key.to_string().substr(0, 80));
}

Error about(Error error, const Key& key) {
  error.about = Error::About{std::string(key.resource.group()), std::string(key.resource.plural()), key.name, {}};
  return error;
}

Error already_exists(const Key& key) {
  return about(
      {ErrorCode::AlreadyExists, std::string(key.resource.qualified()) + " \"" + key.name + "\" already exists"}, key);
}

Error not_found(const Key& key) {
  return about({ErrorCode::NotFound, std::string(key.resource.qualified()) + " \"" + key.name + "\" not found"}, key);
}

Error conflict(const Key& key) {
  return about({ErrorCode::Conflict,
                "Operation cannot be fulfilled on " + std::string(key.resource.qualified()) + " \"" + key.name +
                    "\": the object has been modified; please apply your changes to the latest version and try again"},
               key);
}

Error lost_lease(const Fence& fence, const std::string& why) {
  return about(
      {ErrorCode::Conflict, "the lease " + fence.lease.to_string() + " is no longer held at epoch " +
                                std::to_string(fence.epoch) + " (" + why + "); this controller may write nothing more"},
      fence.lease);
}

}  // namespace

EmbeddedStore::EmbeddedStore(Reactor& front, Blocking& blocking, std::shared_ptr<Engine> engine, StoreOptions options,
                             std::unique_ptr<Cipher> cipher)
    : front_(front),
      blocking_(blocking),
      options_(std::move(options)),
      cipher_(std::move(cipher)),
      engine_(std::move(engine)),
      codec_(std::make_shared<RowCodec>(cipher_.get(), options_.encrypted)),
      gate_(front) {
  queue_ = std::make_unique<WriteQueue>(
      front_, blocking_, engine_, codec_, WriteQueue::Limits{options_.batch_writes, options_.batch_bytes},
      [this](const Batch& batch) { publish(batch); }, [this] { return Counters{durable_, floor_, key_id_}; });
  load(*engine_);
}

EmbeddedStore::~EmbeddedStore() {
  cursors_->close_all();
  if (timer_) front_.clock().cancel(*timer_);
  queue_.reset();
}

ObjectPtr EmbeddedStore::find(const Key& key) const {
  const Room* in = find_room(key.resource);
  const Entry* entry = in ? in->shelf.find(key) : nullptr;
  return entry && !entry->newest().deleted ? entry->newest().object : nullptr;
}

Page EmbeddedStore::list(Resource resource, const ListOptions& options) const {
  if (options.at && *options.at < floor_) {
    throw Error(ErrorCode::Expired, "the state at revision " + std::to_string(*options.at) +
                                        " is no longer kept; the oldest is " + std::to_string(floor_) +
                                        ": start the list anew");
  }
  if (options.at && *options.at > durable_) {
    throw Error(ErrorCode::Timeout, "Too large resource version: " + std::to_string(*options.at) +
                                        ", current: " + std::to_string(durable_));
  }
  const Room* in = find_room(resource);
  if (in) return in->shelf.list(options, durable_);
  Page empty;
  empty.revision = options.at.value_or(durable_);
  return empty;
}

std::size_t EmbeddedStore::count(Resource resource) const {
  const Room* in = find_room(resource);
  return in ? in->shelf.live() : 0;
}

Task<ObjectPtr> EmbeddedStore::create(Key key, Encoded object, WriteOptions options) {
  return write({Verb::Create, std::move(key), 0, std::move(object), std::move(options.fence)});
}

Task<ObjectPtr> EmbeddedStore::update(Key key, Revision expected, Encoded object, WriteOptions options) {
  return write({Verb::Update, std::move(key), expected, std::move(object), std::move(options.fence)});
}

Task<ObjectPtr> EmbeddedStore::remove(Key key, Revision expected, Encoded last, WriteOptions options) {
  return write({Verb::Remove, std::move(key), expected, std::move(last), std::move(options.fence)});
}

Task<ObjectPtr> EmbeddedStore::write(Write write) {
  const auto pass = gate_.enter();
  if (write.key.name.size() > kNameMax || write.key.ns.size() > kNameMax) check_name(write.key);
  while (true) {
    if (!queue_->broken().empty()) {
      throw Error(ErrorCode::Unavailable, "the store is read-only since its disk failed (" + queue_->broken() +
                                              "); check the disk, then restart the controller");
    }
    if (auto objection = judge(write)) {
      const BatchPtr batch = objection->depends_on;
      if (batch) co_await WriteQueue::settled(batch);
      // What never became durable never was: then the write is judged anew.
      if (batch && batch->state != Batch::State::Durable) continue;
      throw objection->error;
    }
    ObjectPtr object = stamp(write);
    const BatchPtr batch = queue_->add({object, write.verb == Verb::Remove});
    co_await WriteQueue::settled(batch);
    if (batch->state == Batch::State::Durable) co_return object;
    if (batch->state == Batch::State::Failed) {
      throw Error(ErrorCode::Unavailable, "the store could not write " + write.key.to_string() + ": " + batch->reason);
    }
  }
}

EmbeddedStore::State EmbeddedStore::newest(const Key& key) const {
  if (const Pending* pending = queue_->pending(key)) {
    return {pending->change.deleted ? nullptr : pending->change.object, pending->batch};
  }
  return {find(key), nullptr};
}

std::optional<EmbeddedStore::Objection> EmbeddedStore::judge(const Write& write) {
  if (write.fence) {
    if (auto objection = judge_fence(*write.fence)) return objection;
  }
  const State now = newest(write.key);
  if (write.verb == Verb::Create) {
    if (now.object) return Objection{already_exists(write.key), now.batch};
    return std::nullopt;
  }
  if (!now.object) return Objection{not_found(write.key), now.batch};
  if (now.object->revision() != write.expected) return Objection{conflict(write.key), now.batch};
  return std::nullopt;
}

std::optional<EmbeddedStore::Objection> EmbeddedStore::judge_fence(const Fence& fence) {
  const State lease = newest(fence.lease);
  if (!lease.object) return Objection{lost_lease(fence, "there is no such lease"), lease.batch};
  auto& [revision, epoch] = epochs_[fence.lease];
  if (revision != lease.object->revision()) {
    const json::Value decoded = lease.object->decode();
    const json::Value* spec = decoded.find("spec");
    epoch = spec ? spec->int_or("leaseTransitions", 0) : 0;
    revision = lease.object->revision();
  }
  if (epoch == fence.epoch) return std::nullopt;
  return Objection{lost_lease(fence, "it is at " + std::to_string(epoch)), lease.batch};
}

ObjectPtr EmbeddedStore::stamp(const Write& write) {
  const Revision revision = ++last_;
  return std::make_shared<const object::Object>(write.key, revision, write.object.meta, write.object.with(revision));
}

void EmbeddedStore::restate(ObjectPtr object) {
  const auto found = rooms_.find(object->key().resource);
  if (found == rooms_.end()) return;
  Shelf& shelf = found->second.shelf;
  live_bytes_ -= shelf.live_bytes();
  shelf.restate(object);
  live_bytes_ += shelf.live_bytes();
}

std::unique_ptr<Watch> EmbeddedStore::watch(Resource resource, Revision from) {
  if (closed_) throw Error(ErrorCode::Cancelled, "the store is closed");
  if (from < floor_) {
    throw Error(ErrorCode::Expired, "too old resource version: " + std::to_string(from) + " (" +
                                        std::to_string(floor_) + "); list again and watch from there");
  }
  if (from > durable_) {
    throw Error(ErrorCode::Timeout,
                "Too large resource version: " + std::to_string(from) + ", current: " + std::to_string(durable_));
  }
  return make_watch(cursors_->open(front_, history_.ring(resource), durable_, from), cursors_);
}

Task<> EmbeddedStore::backup(std::string path) {
  const auto pass = gate_.enter();
  co_await blocking_.run(front_, [engine = engine_, path] { write_backup(*engine, path); });
}

Task<> EmbeddedStore::close() {
  closed_ = true;
  co_await gate_.close();
  co_await queue_->idle();
  cursors_->close_all();
  if (timer_) front_.clock().cancel(*timer_);
  timer_.reset();
}

}  // namespace gantry::store
