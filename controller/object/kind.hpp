// A kind as the plane sees it: names, scope, schema, columns. All of it comes from a CustomResourceDefinition
// (crds/*.yaml); the core kinds (crds/core/*.yaml) are written in the same form, with group "".
// Immutable once made; shared by both reactors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/key.hpp"
#include "controller/object/schema.hpp"

namespace gantry::object {

struct PrinterColumn {
  std::string name;
  std::string type;  // string, integer, number, boolean, date
  std::string format;
  std::string description;
  std::int64_t priority = 0;  // over 0: -o wide only
  std::string json_path;      // ".spec.replicas"
};

struct Kind {
  std::string group;
  std::string version;
  std::string kind;
  std::string plural;
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool namespaced = true;
  bool has_status = false;  // the status subresource
  struct Scale {
    std::string spec_path, status_path, selector_path;
  };
  std::optional<Scale> scale;
  bool has_generation = true;          // false for the core kinds of api.md
  std::vector<PrinterColumn> columns;  // Name is always first and is not listed here
  std::shared_ptr<const Schema> schema;
  json::Value definition;  // the CRD itself

  Resource resource;
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  bool is_core() const {
    return group.empty() || group == "coordination.k8s.io" || group == "apiextensions.k8s.io" ||
           group == "rbac.authorization.k8s.io" || group == "events.k8s.io";
  }
};

using KindPtr = std::shared_ptr<const Kind>;

// Reads one CRD. Throws Error(Invalid) with causes when it is not a structural schema, or uses what we do not support.
KindPtr kind_from_definition(const json::Value& crd);

// The kinds that somebody knows. Changed and read by one reactor; who lists all() across a co_await takes a copy.
class KindTable {
 public:
  KindTable() = default;
  explicit KindTable(std::vector<KindPtr> kinds);

  const std::vector<KindPtr>& all() const { return kinds_; }
  // Null when not served.
  KindPtr find(std::string_view group, std::string_view version, std::string_view plural) const;
  KindPtr find(Resource resource) const;
  KindPtr find_kind(std::string_view api_version, std::string_view kind) const;

  // In place of the one of the same resource, else behind all others.
  void put(KindPtr kind);

 private:
  std::vector<KindPtr> kinds_;
};

}  // namespace gantry::object
