// The API from inside the process: the same verbs and the same admission, without HTTP and without JSON where an object
// will do. Lives on the caller's reactor (`here`); each call crosses to the front and back, and a watch brings its
// changes over in batches, one message each.
#pragma once

#include "controller/api/client.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

class LocalClient final : public Client {
 public:
  // plane: Api::plane(). All three must outlive the client.
  LocalClient(Reactor& front, Reactor& here, Plane& plane) : front_(front), here_(here), plane_(plane) {}

  Task<ObjectPtr> find(Key key) override;
  Task<List> list(Resource resource, ListOptions options) override;
  Task<std::unique_ptr<WatchStream>> watch(Resource resource, Revision from, ListOptions options) override;
  Task<ObjectPtr> create(Resource resource, json::Value object, WriteOptions options) override;
  Task<ObjectPtr> update(Resource resource, json::Value object, WriteOptions options) override;
  Task<ObjectPtr> update_status(Resource resource, json::Value object, WriteOptions options) override;
  Task<ObjectPtr> patch(Key key, PatchType type, json::Value patch, WriteOptions options) override;
  Task<ObjectPtr> patch_status(Key key, PatchType type, json::Value patch, WriteOptions options) override;
  Task<ObjectPtr> finalize(Resource resource, json::Value object, WriteOptions options) override;
  Task<> remove(Key key, Preconditions preconditions, std::string propagation) override;

 private:
  Reactor& front_;
  Reactor& here_;
  Plane& plane_;
};

}  // namespace gantry::api
