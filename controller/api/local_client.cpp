#include "controller/api/local_client.hpp"

#include "controller/api/status.hpp"
#include "controller/api/verbs/feed.hpp"

namespace gantry::api {
namespace {

// Everything below runs on the front. Free coroutines: their arguments live in their frames.

ServedPtr served(const Plane& plane, Resource resource) {
  if (ServedPtr found = plane.catalogue.find(resource)) return found;
  throw Error(ErrorCode::NotFound, "no kind " + std::string(resource.qualified()) + " is served");
}

WriteQuery query_of(const WriteOptions& options, PatchType type = PatchType::Merge) {
  WriteQuery query;
  query.manager = options.field_manager;
  query.validation = Validation::Strict;  // a reconciler that writes unknown fields has a fault
  query.dry_run = options.dry_run;
  if (type == PatchType::Apply) query.force = options.force;
  query.fence = options.fence;
  return query;
}

Target target_of(const Plane& plane, const Key& key, std::string subresource = {}) {
  return {served(plane, key.resource), key.ns, key.name, std::move(subresource)};
}

Target target_of(const Plane& plane, Resource resource, const json::Value& object, std::string subresource = {}) {
  return {served(plane, resource), object.text_at({"metadata", "namespace"}), object.text_at({"metadata", "name"}),
          std::move(subresource)};
}

Task<ObjectPtr> do_find(Plane& plane, Key key) { co_return plane.store.find(key); }

Task<List> do_list(Plane& plane, Resource resource, ListOptions options) {
  ListQuery query;
  query.label_selector = std::move(options.label_selector);
  query.field_selector = std::move(options.field_selector);
  query.limit = options.limit;
  query.continue_token = std::move(options.continue_token);
  const Target target{served(plane, resource), options.ns.value_or(""), {}, {}};
  Listed listed = co_await verbs::list(plane, target, query);
  co_return List{std::move(listed.items), listed.revision, std::move(listed.continue_token)};
}

Task<ObjectPtr> do_create(Plane& plane, Resource resource, json::Value object, WriteOptions options) {
  Target target = target_of(plane, resource, object);
  target.name.clear();
  Warnings warnings;
  co_return (co_await verbs::create(plane, target, {std::move(object), {}}, query_of(options), warnings)).object;
}

Task<ObjectPtr> do_update(Plane& plane, Resource resource, std::string subresource, json::Value object,
                          WriteOptions options) {
  const Target target = target_of(plane, resource, object, std::move(subresource));
  Warnings warnings;
  co_return (co_await verbs::update(plane, target, {std::move(object), {}}, query_of(options), warnings)).object;
}

Task<ObjectPtr> do_patch(Plane& plane, Key key, std::string subresource, PatchType type, json::Value patch,
                         WriteOptions options) {
  const Target target = target_of(plane, key, std::move(subresource));
  const WriteQuery query = query_of(options, type);
  Warnings warnings;
  if (type == PatchType::Apply)
    co_return (co_await verbs::apply(plane, target, {std::move(patch), {}}, query, warnings)).object;
  co_return (co_await verbs::patch(plane, target, type, {std::move(patch), {}}, query, warnings)).object;
}

Task<> do_remove(Plane& plane, Key key, Preconditions preconditions, std::string propagation) {
  DeleteQuery query;
  query.propagation = std::move(propagation);
  query.preconditions = std::move(preconditions);
  co_await verbs::remove(plane, target_of(plane, key), query);
}

// The front's half of a watch. It is made, asked and destroyed there; the other half only holds on to it.
struct Tap {
  std::unique_ptr<verbs::Feed> feed;
  bool closed = false;
};

struct Batch {
  std::vector<Change> changes;
  Revision revision = 0;
};

Task<std::shared_ptr<Tap>> do_watch(Plane& plane, Resource resource, Revision from, ListOptions options) {
  ListQuery query;
  query.label_selector = std::move(options.label_selector);
  query.field_selector = std::move(options.field_selector);
  query.revision = from;
  query.watch = true;
  const Target target{served(plane, resource), options.ns.value_or(""), {}, {}};
  auto tap = std::make_shared<Tap>();
  tap->feed = co_await verbs::Feed::open(plane, target, query);
  co_return tap;
}

Change::Type type_of(verbs::Notice::Type type) {
  switch (type) {
    case verbs::Notice::Type::Modified:
      return Change::Type::Modified;
    case verbs::Notice::Type::Deleted:
      return Change::Type::Deleted;
    default:
      return Change::Type::Added;
  }
}

Task<Batch> do_next(std::shared_ptr<Tap> tap) {
  Batch batch;
  auto notices = co_await tap->feed->next();
  batch.changes.reserve(notices.size());
  for (auto& notice : notices) batch.changes.push_back({type_of(notice.type), std::move(notice.object)});
  batch.revision = tap->feed->revision();
  co_return batch;
}

class LocalWatch final : public WatchStream {
 public:
  LocalWatch(Reactor& front, Reactor& here, std::shared_ptr<Tap> tap, Revision from)
      : front_(front), here_(here), tap_(std::move(tap)), revision_(from) {}

  ~LocalWatch() override {
    // The store's watch may only be touched by the front, so that is where the last hold on it is let go.
    front_.post([tap = std::move(tap_)]() mutable {
      tap->feed->close();
      tap.reset();
    });
  }

  Task<std::vector<Change>> next() override {
    if (closed_) co_return std::vector<Change>();
    Batch batch = co_await front_.call(here_, [tap = tap_] { return do_next(tap); });
    revision_ = std::max(revision_, batch.revision);
    co_return std::move(batch.changes);
  }

  Revision revision() const override { return revision_; }

  void close() override {
    closed_ = true;
    front_.post([tap = tap_] { tap->feed->close(); });
  }

 private:
  Reactor& front_;
  Reactor& here_;
  std::shared_ptr<Tap> tap_;
  Revision revision_;
  bool closed_ = false;
};

}  // namespace

Task<ObjectPtr> LocalClient::find(Key key) {
  return front_.call(here_, [this, key = std::move(key)]() mutable { return do_find(plane_, std::move(key)); });
}

Task<List> LocalClient::list(Resource resource, ListOptions options) {
  return front_.call(here_, [this, resource, options = std::move(options)]() mutable {
    return do_list(plane_, resource, std::move(options));
  });
}

Task<std::unique_ptr<WatchStream>> LocalClient::watch(Resource resource, Revision from, ListOptions options) {
  auto tap = co_await front_.call(here_, [this, resource, from, options = std::move(options)]() mutable {
    return do_watch(plane_, resource, from, std::move(options));
  });
  co_return std::make_unique<LocalWatch>(front_, here_, std::move(tap), from);
}

Task<ObjectPtr> LocalClient::create(Resource resource, json::Value object, WriteOptions options) {
  return front_.call(here_, [this, resource, object = std::move(object), options = std::move(options)]() mutable {
    return do_create(plane_, resource, std::move(object), std::move(options));
  });
}

Task<ObjectPtr> LocalClient::update(Resource resource, json::Value object, WriteOptions options) {
  return front_.call(here_, [this, resource, object = std::move(object), options = std::move(options)]() mutable {
    return do_update(plane_, resource, {}, std::move(object), std::move(options));
  });
}

Task<ObjectPtr> LocalClient::update_status(Resource resource, json::Value object, WriteOptions options) {
  return front_.call(here_, [this, resource, object = std::move(object), options = std::move(options)]() mutable {
    return do_update(plane_, resource, "status", std::move(object), std::move(options));
  });
}

Task<ObjectPtr> LocalClient::patch(Key key, PatchType type, json::Value patch, WriteOptions options) {
  return front_.call(
      here_, [this, key = std::move(key), type, patch = std::move(patch), options = std::move(options)]() mutable {
        return do_patch(plane_, std::move(key), {}, type, std::move(patch), std::move(options));
      });
}

Task<ObjectPtr> LocalClient::patch_status(Key key, PatchType type, json::Value patch, WriteOptions options) {
  return front_.call(
      here_, [this, key = std::move(key), type, patch = std::move(patch), options = std::move(options)]() mutable {
        return do_patch(plane_, std::move(key), "status", type, std::move(patch), std::move(options));
      });
}

Task<ObjectPtr> LocalClient::finalize(Resource resource, json::Value object, WriteOptions options) {
  return front_.call(here_, [this, resource, object = std::move(object), options = std::move(options)]() mutable {
    return do_update(plane_, resource, "finalize", std::move(object), std::move(options));
  });
}

Task<> LocalClient::remove(Key key, Preconditions preconditions, std::string propagation) {
  return front_.call(here_, [this, key = std::move(key), preconditions = std::move(preconditions),
                             propagation = std::move(propagation)]() mutable {
    return do_remove(plane_, std::move(key), std::move(preconditions), std::move(propagation));
  });
}

}  // namespace gantry::api
