// A local copy of every object of one resource, kept up to date by one list and one watch, shared by everybody who
// needs it. Lists in pages, then follows the watch; a cut watch goes on where it stopped, and when the history is gone
// it lists again and tells the difference, so that nobody sees a gap. An event is a hint: handlers may see states
// coalesced, never a state older than the one before.
// One reactor's thread; so between two co_awaits the cache does not change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/random.hpp"
#include "controller/base/signal.hpp"
#include "controller/object/kind.hpp"
#include "controller/runtime/backoff.hpp"
#include "controller/runtime/index.hpp"

namespace gantry::runtime {

using object::Key;
using object::KeyHash;
using object::ObjectPtr;
using object::Resource;
using object::Revision;

struct Change {
  ObjectPtr before;  // null: it appeared
  ObjectPtr after;   // null: it went
  // Something that a reconciler of this object must look at: it appeared or went, its generation, labels, annotations
  // or deletion mark changed. A status that was written is not: so a controller does not ring its own bell.
  bool matters = true;
  std::vector<Key> released;  // what `before` referred to and `after` does not

  const object::Object& object() const { return after ? *after : *before; }
};

struct InformerOptions {
  bool has_generation = true;  // else every change matters
  std::size_t page = 2000;
  // A full list now and then, against the day when an event was lost on the way. With jitter.
  Duration relist = std::chrono::minutes(30);
  BackoffOptions reconnect{.max = std::chrono::seconds(30)};
};

class Informer {
 public:
  using Handler = std::function<void(const Change&)>;
  using References = std::function<std::vector<Key>(const object::Object&)>;

  Informer(Reactor& reactor, api::Client& client, Random& random, Resource resource, References references = {},
           InformerOptions options = {});
  ~Informer();

  // Before start(). Handlers are called in the order in which they were added, and must not throw.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }
  void start();
  Task<> stop();

  Resource resource() const { return resource_; }
  // The first list has arrived and was told to the handlers.
  bool synced() const { return synced_; }
  Task<> wait_synced();  // returns early when stopped
  // Everything up to here has been seen, of this resource.
  Revision revision() const { return revision_; }
  // False when the deadline came first.
  Task<bool> caught_up_to(Revision revision, Instant deadline);

  ObjectPtr find(const Key& key) const;  // null when absent
  std::size_t size() const { return cache_.size(); }
  std::vector<ObjectPtr> list() const;      // in the order of keys
  std::vector<ObjectPtr> snapshot() const;  // in no order, and cheaper
  std::vector<Key> owned_by(const std::string& uid) const { return owners_.keys_of(uid); }
  std::vector<Key> referring_to(const Key& target) const { return references_.keys_of(target); }
  const std::vector<Key>& references_of(const Key& key) const { return references_.names_of(key); }

  // What a write answered, so that its writer sees it at once. What the watch has passed already is ignored.
  void learn(const ObjectPtr& object);

 private:
  Task<> run(Gate::Pass pass);
  Task<> relist();
  Task<> follow();
  Task<> pause(const Error& error);
  void set_revision(Revision revision);
  void put(const ObjectPtr& object);
  void drop(const Key& key, Revision at);
  void tell(Change change);
  bool matters(const object::Object& before, const object::Object& after) const;

  Reactor& reactor_;
  api::Client& client_;
  Random& random_;
  Resource resource_;
  References find_references_;
  InformerOptions options_;
  std::vector<Handler> handlers_;

  std::unordered_map<Key, ObjectPtr, KeyHash> cache_;
  Index<std::string> owners_;
  Index<Key, KeyHash> references_;

  Revision revision_ = 0;
  bool listed_ = false;  // the cache is as of revision_, and a watch may go on from there
  bool synced_ = false;
  bool stopping_ = false;
  unsigned failures_ = 0;
  unsigned refused_lists_ = 0;
  std::unique_ptr<api::WatchStream> stream_;
  Clock::TimerId relist_timer_ = 0;
  Signal moved_;  // revision_, synced_ or stopping_ changed
  Gate gate_;
};

// The informers of one plane, one for each kind. Events and Leases have none: nobody owns them and nothing refers to
// them, and they change more often than all the rest.
class Informers {
 public:
  Informers(Reactor& reactor, api::Client& client, Random& random, const object::KindTable& kinds);

  Informer* find_informer(Resource resource) const;  // null when there is none
  // Throws Error(NotFound) when no informer follows the resource.
  Informer& of(Resource resource) const;
  ObjectPtr find(const Key& key) const;  // null when absent, or when nobody follows its resource
  void learn(const ObjectPtr& object);
  // Of every resource.
  std::vector<Key> owned_by(const std::string& uid) const;
  std::vector<Key> referring_to(const Key& target) const;
  const std::map<Resource, std::unique_ptr<Informer>>& all() const { return all_; }

  // Told of every change of every resource, of those to come as well. Before start().
  void on_change(Informer::Handler handler);
  // A kind that is served from now on, or (forget) no longer.
  void follow(const object::KindPtr& kind);
  void forget(Resource resource);

  void start();
  Task<> wait_synced();
  bool synced() const;
  Task<> stop();

 private:
  static Task<> retire(std::unique_ptr<Informer> informer, Gate::Pass pass);

  Reactor& reactor_;
  api::Client& client_;
  Random& random_;
  const object::KindTable& kinds_;
  std::map<Resource, std::unique_ptr<Informer>> all_;
  std::vector<Informer::Handler> handlers_;
  bool started_ = false;
  Gate retiring_;
};

}  // namespace gantry::runtime
