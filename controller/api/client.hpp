// How the rest of the house reads and writes objects: the informers and reconcilers in process (LocalClient), the
// command line and the agent over HTTPS (RemoteClient). Both go through the same verbs, so admission is never bypassed.
// Every call may be made on the caller's own reactor and comes back there. Throws Error with the server's code.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/base/task.hpp"
#include "controller/object/object.hpp"
#include "controller/object/selector.hpp"
#include "controller/store/store.hpp"

namespace gantry::api {

using object::Key;
using object::ObjectPtr;
using object::Resource;
using object::Revision;

struct ListOptions {
  std::optional<std::string> ns;  // absent: all namespaces
  std::string label_selector;
  std::string field_selector;
  std::size_t limit = 0;
  std::string continue_token;
};

struct List {
  std::vector<ObjectPtr> items;
  Revision revision = 0;
  std::string continue_token;
};

struct WriteOptions {
  std::string field_manager = "gantry";
  bool dry_run = false;
  bool force = false;  // apply only: take fields from other managers
  std::optional<store::Fence> fence;
};

enum class PatchType { Merge, Json, Strategic, Apply };

struct Change {
  enum class Type { Added, Modified, Deleted };
  Type type = Type::Added;
  ObjectPtr object;
};

class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // Waits for at least one change. Empty once the stream has ended (ask again from revision()).
  // Throws Error(Expired) when the history is gone: list anew.
  virtual Task<std::vector<Change>> next() = 0;
  virtual Revision revision() const = 0;
  virtual void close() = 0;
};

struct Preconditions {
  std::optional<std::string> uid;
  std::optional<Revision> revision;
  std::optional<store::Fence> fence;  // not a condition on the object, but on who may still delete
};

class Client {
 public:
  virtual ~Client() = default;

  virtual Task<ObjectPtr> find(Key key) = 0;  // null when absent
  virtual Task<List> list(Resource resource, ListOptions options = {}) = 0;
  virtual Task<std::unique_ptr<WatchStream>> watch(Resource resource, Revision from, ListOptions options = {}) = 0;

  // object needs metadata.name (or generateName) and, for namespaced kinds, metadata.namespace.
  virtual Task<ObjectPtr> create(Resource resource, json::Value object, WriteOptions options = {}) = 0;
  // object carries metadata.resourceVersion. A write that changes nothing returns the object as it is.
  virtual Task<ObjectPtr> update(Resource resource, json::Value object, WriteOptions options = {}) = 0;
  virtual Task<ObjectPtr> update_status(Resource resource, json::Value object, WriteOptions options = {}) = 0;
  virtual Task<ObjectPtr> patch(Key key, PatchType type, json::Value patch, WriteOptions options = {}) = 0;
  virtual Task<ObjectPtr> patch_status(Key key, PatchType type, json::Value patch, WriteOptions options = {}) = 0;
  // Namespaces only: takes over spec.finalizers (PUT .../finalize). When that empties them, a deleted one is gone.
  virtual Task<ObjectPtr> finalize(Resource resource, json::Value object, WriteOptions options = {}) = 0;
  // Absent already is Error(NotFound). Returns once the deletion is stored, not when finalizers are done.
  virtual Task<> remove(Key key, Preconditions preconditions = {}, std::string propagation = "Background") = 0;
};

}  // namespace gantry::api
