// The kinds that are served, each with what every request on it needs at hand, and the metrics of their requests.
// Kinds come and go with their definitions: whoever keeps a Served across a co_await holds a ServedPtr. Front reactor.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/api/subresource.hpp"
#include "controller/api/table.hpp"
#include "controller/api/view.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/metrics.hpp"
#include "controller/object/kind.hpp"

namespace gantry::api {

enum class Verb { Get, List, Watch, Create, Update, Patch, Apply, Delete, DeleteCollection };
inline constexpr std::size_t kVerbs = 9;
std::string_view to_string(Verb verb);
// As authorization knows it: apply is a patch.
std::string_view access_verb(Verb verb);

// gantry_api_requests_total and gantry_api_request_duration_seconds of one resource. The handles are looked up once.
class RequestMetrics {
 public:
  explicit RequestMetrics(std::string resource) : resource_(std::move(resource)) {}
  void record(Verb verb, int code, Duration took);

 private:
  struct OfVerb {
    std::vector<std::pair<int, metrics::Counter>> by_code;
    std::optional<metrics::Histogram> duration;
  };
  std::string resource_;
  std::array<OfVerb, kVerbs> verbs_;
};

struct Served {
  explicit Served(object::KindPtr served_kind);

  object::KindPtr kind;
  object::Resource resource;
  object::Resource stored;           // whose objects these are: its own, unless it is a second form of another's
  std::shared_ptr<const View> view;  // null: objects are shown as they are stored
  bool routed = true;                // false: a version that is stored, and not served
  std::string api_version;
  std::string list_kind;              // AppList
  bool unconditional_update = false;  // PUT without resourceVersion
  bool create_on_update = false;      // PUT of an absent object creates it
  bool strategic_patch = false;       // core kinds
  bool read_only = false;             // clients may look, and write nothing
  std::vector<std::string> verbs;
  std::unordered_map<std::string, std::shared_ptr<Subresource>> subresources;
  std::unique_ptr<const Table> table;  // of what tabled() gives
  // Put on whatever is deleted, for those who clear up behind it; empty: nobody does.
  std::string deletion_finalizer;
  std::string deprecation;  // told with every answer; empty: it is not deprecated
  mutable RequestMetrics metrics;
  mutable bool closing = false;  // its definition is being deleted: nothing new

  bool has_status_subresource() const { return kind->has_status; }
  bool is(std::string_view group, std::string_view plural) const {
    return kind->group == group && kind->plural == plural;
  }
  // A stored object in this form.
  json::Value read(const object::Object& object) const;
  object::ObjectPtr shown(object::ObjectPtr object) const;
  object::ObjectPtr tabled(object::ObjectPtr object) const;
  bool is_definitions() const { return is("apiextensions.k8s.io", "customresourcedefinitions"); }
};

using ServedPtr = std::shared_ptr<const Served>;

class Catalogue {
 public:
  explicit Catalogue(const object::KindTable& kinds);

  // Null when not served.
  ServedPtr find(std::string_view group, std::string_view version, std::string_view plural) const;
  ServedPtr find(object::Resource resource) const;  // in the form that is stored
  ServedPtr find_kind(std::string_view api_version, std::string_view kind) const;
  const std::vector<ServedPtr>& all() const { return served_; }  // each in each of its forms
  const ServedPtr& namespaces() const { return namespaces_; }    // null when the kind is not served

  // Serves the kind from now on, in place of what was served of it. kind: of the version that is stored; others: the
  // further versions of it that are served.
  void put(object::KindPtr kind, const std::vector<object::KindPtr>& others = {});
  void erase(object::Resource resource);
  // Error(Invalid) when the resource is not served. It stays when the kind is put anew.
  void add_subresource(object::Resource resource, std::string name, std::shared_ptr<Subresource> subresource);
  // Grows with every change: what was made of an older catalogue is out of date.
  std::uint64_t generation() const { return generation_; }

 private:
  using Subresources = std::unordered_map<std::string, std::shared_ptr<Subresource>>;
  // kinds: the stored one first.
  void place(const std::vector<object::KindPtr>& kinds, const Subresources& subresources);
  void index(const ServedPtr& served);
  void forget(object::Resource stored);

  std::vector<ServedPtr> served_;
  std::unordered_map<std::string, ServedPtr> by_path_;           // group/version/plural
  std::unordered_map<std::string, ServedPtr> by_kind_;           // apiVersion/Kind
  std::unordered_map<std::string_view, ServedPtr> by_resource_;  // qualified
  ServedPtr namespaces_;
  std::uint64_t generation_ = 0;
};

}  // namespace gantry::api
