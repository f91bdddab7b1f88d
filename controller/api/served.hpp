// The kinds that are served, each with what every request on it needs at hand, and the metrics of their requests.
// Made once by Api; front reactor.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/api/subresource.hpp"
#include "controller/api/table.hpp"
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
  std::string api_version;
  std::string list_kind;              // AppList
  bool unconditional_update = false;  // PUT without resourceVersion
  bool create_on_update = false;      // PUT of an absent object creates it
  bool strategic_patch = false;       // core kinds
  std::vector<std::string> verbs;
  std::unordered_map<std::string, std::shared_ptr<Subresource>> subresources;
  std::unique_ptr<const Table> table;
  mutable RequestMetrics metrics;

  bool has_status_subresource() const { return kind->has_status; }
  bool is(std::string_view group, std::string_view plural) const {
    return kind->group == group && kind->plural == plural;
  }
};

class Catalogue {
 public:
  explicit Catalogue(object::KindTable kinds);

  // Null when not served.
  Served* find(std::string_view group, std::string_view version, std::string_view plural) const;
  Served* find(object::Resource resource) const;
  Served* find_kind(std::string_view api_version, std::string_view kind) const;
  const std::vector<std::unique_ptr<Served>>& all() const { return served_; }
  const Served* namespaces() const { return namespaces_; }  // null when the kind is not served

 private:
  std::vector<std::unique_ptr<Served>> served_;
  std::unordered_map<std::string, Served*> by_path_;           // group/version/plural
  std::unordered_map<std::string, Served*> by_kind_;           // apiVersion/Kind
  std::unordered_map<std::string_view, Served*> by_resource_;  // qualified
  const Served* namespaces_ = nullptr;
};

}  // namespace gantry::api
