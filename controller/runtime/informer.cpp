#include "controller/runtime/informer.hpp"

#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/base/raw_json.hpp"
#include "controller/runtime/references.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("informer");
// A server that answers with an older state than it did before is lagging. After so many tries it was restored from a
// backup, and the past is the truth.
constexpr unsigned kRefusedListsMax = 5;

std::vector<std::string> owner_uids(const object::Object& object) {
  std::vector<std::string> uids;
  for (const auto& owner : object.meta().owners) uids.push_back(owner.uid);
  return uids;
}

}  // namespace

Informer::Informer(Reactor& reactor, api::Client& client, Random& random, Resource resource, References references,
                   InformerOptions options)
    : reactor_(reactor),
      client_(client),
      random_(random),
      resource_(resource),
      find_references_(std::move(references)),
      options_(options),
      moved_(reactor),
      gate_(reactor) {}

Informer::~Informer() = default;

void Informer::start() { reactor_.spawn(run(gate_.enter())); }

Task<> Informer::stop() {
  stopping_ = true;
  if (relist_timer_ != 0) reactor_.clock().cancel(std::exchange(relist_timer_, 0));
  if (stream_) stream_->close();
  moved_.notify_all();
  co_await gate_.close();
  stream_.reset();
}

Task<> Informer::run(Gate::Pass pass) {
  while (!stopping_) {
    std::optional<Error> failure;
    try {
      if (!listed_) co_await relist();
      co_await follow();
      failures_ = 0;
    } catch (const Error& error) {
      failure = error;
    } catch (const std::exception& error) {
      failure = Error(ErrorCode::Internal, error.what());
    }
    stream_.reset();
    if (failure && !stopping_) co_await pause(*failure);
  }
}

Task<> Informer::pause(const Error& error) {
  if (error.code() == ErrorCode::Expired) {
    listed_ = false;
    // The first time, at once: an expired history is ordinary after a long silence.
    if (failures_++ == 0) co_return;
  } else {
    ++failures_;
  }
  const Duration delay = backoff_delay(random_, options_.reconnect, failures_, error.retry_after);
  kLog.warn("cannot follow a resource; trying again",
            {{"resource", resource_.qualified()}, {"error", error.message()}, {"failures", failures_}});
  const Instant until = reactor_.now() + delay;
  while (!stopping_ && reactor_.now() < until) co_await moved_.wait_until(until);
}

Task<> Informer::relist() {
  std::vector<ObjectPtr> items;
  Revision revision = 0;
  api::ListOptions options;
  options.limit = options_.page;
  do {
    api::List page = co_await client_.list(resource_, options);
    revision = page.revision;
    items.insert(items.end(), std::make_move_iterator(page.items.begin()), std::make_move_iterator(page.items.end()));
    options.continue_token = std::move(page.continue_token);
  } while (!options.continue_token.empty() && !stopping_);
  if (stopping_) co_return;
  if (revision < revision_ && refused_lists_++ < kRefusedListsMax) {
    throw Error(ErrorCode::Unavailable, "listing " + std::string(resource_.qualified()) +
                                            ": the answer is of revision " + std::to_string(revision) +
                                            ", but revision " + std::to_string(revision_) +
                                            " was seen before; waiting for the server to catch up");
  }
  const bool restored = revision < revision_;
  refused_lists_ = 0;

  std::unordered_map<Key, const object::Object*, KeyHash> present;
  present.reserve(items.size());
  for (const auto& item : items) present.emplace(item->key(), item.get());
  std::vector<Key> gone;
  for (const auto& [key, known] : cache_) {
    // What was written here after the list was taken is not gone, only newer.
    if (!present.contains(key) && (restored || known->revision() <= revision)) gone.push_back(key);
  }
  std::sort(gone.begin(), gone.end());
  cache_.reserve(items.size());
  if (restored) {
    for (const Key& key : gone) drop(key, object::Revision(-1));
    for (const auto& item : items) drop(item->key(), object::Revision(-1));
    revision_ = 0;
  } else {
    for (const Key& key : gone) drop(key, revision);
  }
  for (const auto& item : items) put(item);
  listed_ = true;
  synced_ = true;
  set_revision(revision);
  moved_.notify_all();
}

Task<> Informer::follow() {
  stream_ = co_await client_.watch(resource_, revision_);
  const double spread = 0.8 + 0.4 * random_.unit();
  const Duration until_relist(static_cast<std::int64_t>(static_cast<double>(options_.relist.count()) * spread));
  if (relist_timer_ == 0 && !stopping_) {
    relist_timer_ = reactor_.clock().call_at(reactor_, reactor_.now() + until_relist, [this] {
      relist_timer_ = 0;
      listed_ = false;
      if (stream_) stream_->close();
    });
  }
  while (!stopping_ && listed_) {
    const std::vector<api::Change> changes = co_await stream_->next();
    for (const auto& change : changes) {
      if (change.type == api::Change::Type::Deleted) {
        drop(change.object->key(), change.object->revision());
      } else {
        put(change.object);
      }
      set_revision(change.object->revision());
    }
    set_revision(stream_->revision());
    if (changes.empty()) break;
    failures_ = 0;
  }
}

void Informer::set_revision(Revision revision) {
  if (revision <= revision_) return;
  revision_ = revision;
  if (moved_.waiting() > 0) moved_.notify_all();
}

bool Informer::matters(const object::Object& before, const object::Object& after) const {
  if (!options_.has_generation) return true;
  const auto& a = before.meta();
  const auto& b = after.meta();
  return a.generation != b.generation || a.deleting != b.deleting || a.labels != b.labels ||
         json::raw_at(before.bytes(), {"metadata", "annotations"}) !=
             json::raw_at(after.bytes(), {"metadata", "annotations"});
}

void Informer::put(const ObjectPtr& object) {
  const Key& key = object->key();
  auto [at, added] = cache_.try_emplace(key, object);
  ObjectPtr before;
  if (!added) {
    if (at->second->revision() >= object->revision()) return;
    if (at->second->meta().uid != object->meta().uid) {
      // Deleted and made anew while nobody looked: whoever follows the old one must hear of its end.
      drop(key, object->revision());
      cache_.emplace(key, object);
    } else {
      before = std::exchange(at->second, object);
    }
  }
  if (!before || before->meta().owners.size() + object->meta().owners.size() > 0) owners_.set(key, owner_uids(*object));
  Change change{before, object, !before || matters(*before, *object), {}};
  if (find_references_ && (!before || change.matters)) {
    std::vector<Key> old = references_.names_of(key);
    references_.set(key, find_references_(*object));
    if (!old.empty()) {
      const auto& now = references_.names_of(key);
      std::set_difference(old.begin(), old.end(), now.begin(), now.end(), std::back_inserter(change.released));
    }
  }
  tell(std::move(change));
}

void Informer::drop(const Key& key, Revision at) {
  const auto found = cache_.find(key);
  if (found == cache_.end() || found->second->revision() > at) return;
  Change change{std::move(found->second), nullptr, true, references_.names_of(key)};
  cache_.erase(found);
  owners_.set(change.before->key(), {});
  references_.set(change.before->key(), {});
  tell(std::move(change));
}

void Informer::tell(Change change) {
  for (const auto& handler : handlers_) handler(change);
}

void Informer::learn(const ObjectPtr& object) {
  // Up to revision_ everything was seen already, the end of this object perhaps too. What is newer than that cannot
  // have ended unseen: its end is still to come, with a higher revision.
  if (!object || object->key().resource != resource_ || object->revision() <= revision_ || !synced_) return;
  // The answer to taking the last finalizer away is an object's last state, not a living one.
  if (object->meta().deleting && object->meta().finalizers.empty()) return;
  put(object);
}

ObjectPtr Informer::find(const Key& key) const {
  const auto found = cache_.find(key);
  return found == cache_.end() ? nullptr : found->second;
}

std::vector<ObjectPtr> Informer::snapshot() const {
  std::vector<ObjectPtr> objects;
  objects.reserve(cache_.size());
  for (const auto& [key, object] : cache_) objects.push_back(object);
  return objects;
}

std::vector<ObjectPtr> Informer::list() const {
  std::vector<ObjectPtr> all;
  all.reserve(cache_.size());
  for (const auto& [key, object] : cache_) all.push_back(object);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->key() < b->key(); });
  return all;
}

Task<> Informer::wait_synced() {
  while (!synced_ && !stopping_) co_await moved_.wait();
}

Task<bool> Informer::caught_up_to(Revision revision, Instant deadline) {
  while (revision_ < revision && !stopping_) {
    if (!co_await moved_.wait_until(deadline)) break;
  }
  co_return revision_ >= revision;
}

Informers::Informers(Reactor& reactor, api::Client& client, Random& random, const object::KindTable& kinds)
    : reactor_(reactor), client_(client), random_(random), kinds_(kinds), retiring_(reactor) {
  for (const auto& kind : kinds.all()) follow(kind);
}

void Informers::follow(const object::KindPtr& kind) {
  if (all_.contains(kind->resource)) return;
  if ((kind->group.empty() && kind->plural == "events") || kind->group == "coordination.k8s.io") return;
  InformerOptions options;
  options.has_generation = kind->has_generation;
  Informer::References references;
  if (!kind->is_core()) {
    references = [this](const object::Object& object) { return runtime::references_of(object, kinds_); };
  }
  auto informer =
      std::make_unique<Informer>(reactor_, client_, random_, kind->resource, std::move(references), options);
  for (const auto& handler : handlers_) informer->on_change(handler);
  if (started_) informer->start();
  all_[kind->resource] = std::move(informer);
}

void Informers::forget(Resource resource) {
  const auto found = all_.find(resource);
  if (found == all_.end() || retiring_.closed()) return;
  reactor_.spawn(retire(std::move(found->second), retiring_.enter()));
  all_.erase(found);
}

Task<> Informers::retire(std::unique_ptr<Informer> informer, Gate::Pass) { co_await informer->stop(); }

void Informers::on_change(Informer::Handler handler) {
  for (auto& [resource, informer] : all_) informer->on_change(handler);
  handlers_.push_back(std::move(handler));
}

Informer* Informers::find_informer(Resource resource) const {
  const auto found = all_.find(resource);
  return found == all_.end() ? nullptr : found->second.get();
}

Informer& Informers::of(Resource resource) const {
  if (Informer* informer = find_informer(resource)) return *informer;
  throw Error(ErrorCode::NotFound, "no informer follows " + std::string(resource.qualified()));
}

ObjectPtr Informers::find(const Key& key) const {
  const Informer* informer = find_informer(key.resource);
  return informer ? informer->find(key) : nullptr;
}

void Informers::learn(const ObjectPtr& object) {
  if (!object) return;
  if (Informer* informer = find_informer(object->key().resource)) informer->learn(object);
}

std::vector<Key> Informers::owned_by(const std::string& uid) const {
  std::vector<Key> keys;
  for (const auto& [resource, informer] : all_) {
    std::vector<Key> some = informer->owned_by(uid);
    keys.insert(keys.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return keys;
}

std::vector<Key> Informers::referring_to(const Key& target) const {
  std::vector<Key> keys;
  for (const auto& [resource, informer] : all_) {
    std::vector<Key> some = informer->referring_to(target);
    keys.insert(keys.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return keys;
}

void Informers::start() {
  started_ = true;
  for (auto& [resource, informer] : all_) informer->start();
}

Task<> Informers::wait_synced() {
  // Those of the beginning: one that is forgotten while it is waited for is synced as far as anybody cares.
  std::vector<Resource> resources;
  for (const auto& [resource, informer] : all_) resources.push_back(resource);
  for (const Resource resource : resources) {
    if (Informer* informer = find_informer(resource)) co_await informer->wait_synced();
  }
}

bool Informers::synced() const {
  return std::ranges::all_of(all_, [](const auto& entry) { return entry.second->synced(); });
}

Task<> Informers::stop() {
  co_await retiring_.close();
  for (auto& [resource, informer] : all_) co_await informer->stop();
}

}  // namespace gantry::runtime
