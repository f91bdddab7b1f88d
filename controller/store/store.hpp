// The store's contract. The truth about every object, one monotonic revision for all of them, optimistic concurrency,
// and a watch from any revision still in the window. Lives on one reactor (the front): every call is made there.
//
// What is promised: a write is durable before it is acknowledged, published to a watch or readable. Writes are applied
// in revision order, each wholly or not at all. After a failed fsync nothing is acknowledged any more: reads go on,
// writes throw Error(Unavailable) until the process is restarted (a full disk heals by itself once there is room).
// Implementations: EmbeddedStore (LMDB); etcd is to be the second, so nothing above may assume more than this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/task.hpp"
#include "controller/object/object.hpp"

namespace gantry::store {

using object::Encoded;
using object::Key;
using object::ObjectPtr;
using object::Resource;
using object::Revision;

struct Event {
  enum class Type { Added, Modified, Deleted };
  Type type = Type::Added;
  Revision revision = 0;
  ObjectPtr object;    // for Deleted: the last state, carrying the revision of the deletion
  ObjectPtr previous;  // null for Added

  // {"type":"ADDED","object":{...}}\n as a watch sends it: written once, at the first asking, however many watch.
  // Only on the store's reactor.
  const std::string& frame() const;

 private:
  friend class Ring;  // takes the frame back once nobody sends it any more
  mutable std::string frame_;
};
using EventPtr = std::shared_ptr<const Event>;

// A fencing token: the commit is refused (Conflict) unless the Lease object `lease` holds this epoch
// (spec.leaseTransitions) when it is made. So a controller that lost its lease while paused can write nothing.
struct Fence {
  Key lease;
  std::int64_t epoch = 0;
};

struct WriteOptions {
  std::optional<Fence> fence{};
};

struct ListOptions {
  std::optional<std::string> ns{};                       // absent: all namespaces
  std::function<bool(const object::Object&)> matches{};  // empty: everything
  std::size_t limit = 0;                                 // 0: all
  std::string after_ns{}, after_name{};                  // start behind this key; both empty: at the beginning
  std::optional<Revision> at{};                          // the state at exactly this revision
};

struct Page {
  std::vector<ObjectPtr> items;  // in order of namespace, name
  Revision revision = 0;         // of the snapshot
  bool more = false;             // stopped at the limit
  std::size_t remaining = 0;     // how many lie behind the limit (counted without `matches`)
};

// A position in the history of one resource. It owns no queue: whoever reads too slowly finds the history gone.
class Watch {
 public:
  virtual ~Watch() = default;
  // Waits until there is at least one event behind the position and moves over at most `max` of them.
  // An empty answer only says that `revision()` moved (nothing of this resource happened) or that close() was called.
  // Throws Error(Expired) once the window has passed the position.
  virtual Task<std::vector<EventPtr>> next(std::size_t max = 256) = 0;
  // As next(), but returns at once.
  virtual std::vector<EventPtr> ready(std::size_t max = 256) = 0;
  // Everything up to here has been delivered: what a bookmark may say.
  virtual Revision revision() const = 0;
  // Wakes next(), which then and ever after returns nothing.
  virtual void close() = 0;
  virtual bool closed() const = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Revision revision() const = 0;         // the newest that is durable
  virtual Revision oldest_revision() const = 0;  // a watch may start at this or later; older is Expired

  virtual ObjectPtr find(const Key& key) const = 0;  // null when absent
  // Throws Error(Expired) when `at` has left the window, Error(Timeout) when it lies in the future.
  virtual Page list(Resource resource, const ListOptions& options = {}) const = 0;
  virtual std::size_t count(Resource resource) const = 0;

  // All three return the object as stored and throw Error(Conflict) for a lost race or a lost fence,
  // Error(Unavailable) when the disk refuses.
  virtual Task<ObjectPtr> create(Key key, Encoded object, WriteOptions options = {}) = 0;  // Error(AlreadyExists)
  // expected: the revision the caller has read. Error(NotFound) when the object is gone.
  virtual Task<ObjectPtr> update(Key key, Revision expected, Encoded object, WriteOptions options = {}) = 0;
  // last: the object as it was, to be sent with the deletion's revision.
  virtual Task<ObjectPtr> remove(Key key, Revision expected, Encoded last, WriteOptions options = {}) = 0;

  // The same revision of the same object in other words: a schema has changed, and what was stored under the older one
  // is read by the new. For readers only, not durable, no event; nothing happens when the object has moved on.
  virtual void restate(ObjectPtr object) = 0;

  // Events after `from`. Throws Error(Expired) when from is older than the window, Error(Timeout) when it is newer than
  // revision().
  virtual std::unique_ptr<Watch> watch(Resource resource, Revision from) = 0;

  // Moves the start of the window; what only older readers needed is dropped.
  virtual Task<> compact(Revision oldest) = 0;
  // A consistent copy of everything, while writes go on, into one file that must not exist yet.
  virtual Task<> backup(std::string path) = 0;
  // Finishes what is under way; further writes throw Error(Cancelled).
  virtual Task<> close() = 0;
};

}  // namespace gantry::store
