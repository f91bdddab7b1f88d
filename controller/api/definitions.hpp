// The kinds that come and go: follows the CustomResourceDefinitions that are stored and serves their kinds. Our own
// kinds are definitions like any other, except that they are always there: prepare() writes them, nobody may delete
// them or change what they say.
//
// A definition's way: written -> names accepted, schemas compiled, kind served in each of its versions, status written
// (Established) -> changed: served anew, and what is stored is read again by the new schema -> deleted: nothing new is
// taken, its objects are deleted, and when the last is gone so are the kind, its watches and the definition.
//
// Front reactor. Level-triggered: each look at a definition settles all that is true of it now.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "controller/api/verbs/verbs.hpp"
#include "controller/base/signal.hpp"

namespace gantry::api {

// kind is null when the resource is served no longer.
using KindListener = std::function<void(object::Resource resource, object::KindPtr kind)>;

class Definitions : public std::enable_shared_from_this<Definitions> {
 public:
  // plane must outlive it, or close() come first. What its catalogue holds now is ours, and always there.
  static std::shared_ptr<Definitions> make(Plane& plane);

  // Told of kinds that are not our own. Before prepare().
  void on_kind(KindListener listener) { listeners_.push_back(std::move(listener)); }
  // Writes our own, serves what is stored, and goes on following it. Once.
  Task<> prepare();
  // What was written up to here is served.
  Task<> caught_up_to(Revision revision);
  void close();

 private:
  explicit Definitions(Plane& plane);

  struct Known {
    std::vector<object::KindPtr> kinds;  // of each version that is served, the stored one first; empty: not served
    json::Value spec;                    // of what is served
    bool clearing = false;               // its objects are being deleted

    object::KindPtr kind() const { return kinds.empty() ? nullptr : kinds.front(); }
  };

  static Task<> follow(std::shared_ptr<Definitions> self);
  static Task<> clear(std::shared_ptr<Definitions> self, std::string name);
  Task<> settle(const std::string& name);
  Task<> settle_all();
  Task<> close_kind(const std::string& name, const json::Value& definition, Revision revision);
  Task<> serve(const std::string& name, const json::Value& definition, Revision revision);
  Task<> install(const std::string& name, const json::Value& definition, Revision revision);
  void unserve(const std::string& name);
  void end_watches(object::Resource resource);
  Task<> write_own(const object::Kind& kind);
  Task<> write_status(const std::string& name, const json::Value& definition, json::Array conditions, bool accepted);
  Task<> let_go(const std::string& name);
  std::string name_conflict(const std::string& name, const json::Value& definition) const;
  void tell(object::Resource resource, const object::KindPtr& kind) const;

  Plane& plane_;
  ServedPtr served_;  // the kind of definitions itself; null: it is not served, and neither is anything of this
  std::map<std::string, object::KindPtr> own_;
  std::map<std::string, Known> known_;
  std::vector<KindListener> listeners_;
  std::unique_ptr<store::Watch> watch_;
  Revision revision_ = 0;
  Signal moved_;
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace gantry::api
