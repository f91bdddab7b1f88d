// The verbs themselves: what the API does with objects, without HTTP. Both doors lead here: the routes (routes.cpp) and
// the in-process client (local_client.cpp). Front reactor; each throws Error.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/api/filter.hpp"
#include "controller/api/request_options.hpp"
#include "controller/api/served.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "controller/store/store.hpp"

namespace gantry::api {

class Admission;
namespace verbs {
class Feed;
}

// The watches that are open, so that they end with their kind.
using OpenFeeds = std::unordered_map<verbs::Feed*, object::Resource>;

// What every verb needs. Owned by Api.
struct Plane {
  Reactor& front;
  store::Store& store;
  Random& random;
  Catalogue catalogue;
  std::unique_ptr<Admission> admission;
  std::shared_ptr<OpenFeeds> feeds = std::make_shared<OpenFeeds>();
};

// What a request is about.
struct Target {
  ServedPtr served;
  std::string ns;    // empty: cluster-scoped, or all namespaces
  std::string name;  // empty: the collection
  std::string subresource;

  object::Key key() const { return {served->stored, ns, name}; }
};

using Warnings = std::vector<std::string>;

struct Listed {
  std::vector<ObjectPtr> items;
  Revision revision = 0;
  std::string continue_token;
  std::optional<std::size_t> remaining;
};

struct Written {
  ObjectPtr object;  // as stored; as it would be stored, for a dry run; its last state, if removed
  bool created = false;
  bool removed = false;  // nothing is left of it
  json::Value value{};   // the object in the target's form, where that was at hand; else null
  ObjectPtr before{};    // what it took the place of, if anything was written
};

// A request body: the object or patch, and the keys that stood twice in it.
struct Body {
  json::Value value;
  std::vector<std::string> duplicates;
};

namespace verbs {

// As stored. Error(NotFound) when absent.
ObjectPtr get(const Plane& plane, const Target& target);

Task<Listed> list(const Plane& plane, const Target& target, const ListQuery& query);

Task<Written> create(Plane& plane, const Target& target, Body body, const WriteQuery& query, Warnings& warnings);
// Subresource "", "status" or "finalize".
Task<Written> update(Plane& plane, const Target& target, Body body, const WriteQuery& query, Warnings& warnings);
Task<Written> patch(Plane& plane, const Target& target, PatchType type, Body body, const WriteQuery& query,
                    Warnings& warnings);
Task<Written> apply(Plane& plane, const Target& target, Body body, const WriteQuery& query, Warnings& warnings);
Task<Written> remove(Plane& plane, const Target& target, const DeleteQuery& query);
// Each matching object, many at a time; the objects as they were.
Task<Listed> remove_collection(Plane& plane, const Target& target, const ListQuery& selection,
                               const DeleteQuery& query);

// The scale subresource: autoscaling/v1 Scale of an object, and writes to it.
json::Value scale_of(const Served& served, const object::Object& object);
Task<Written> update_scale(Plane& plane, const Target& target, Body body, const WriteQuery& query, Warnings& warnings);
Task<Written> patch_scale(Plane& plane, const Target& target, PatchType type, Body body, const WriteQuery& query,
                          Warnings& warnings);

}  // namespace verbs
}  // namespace gantry::api
