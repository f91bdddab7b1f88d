// The options of a request (metav1.ListOptions, CreateOptions, PatchOptions, DeleteOptions), read from its query and
// checked as Kubernetes checks them: what is contradictory is Error(Invalid) on the options' own kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/api/handler.hpp"
#include "controller/base/clock.hpp"

namespace gantry::api {

enum class Validation { Ignore, Warn, Strict };
enum class VersionMatch { Unset, Exact, NotOlderThan };

struct ListQuery {
  std::string label_selector;
  std::string field_selector;
  std::size_t limit = 0;
  std::string continue_token;
  std::optional<Revision> revision;  // absent: unset
  VersionMatch match = VersionMatch::Unset;
  bool watch = false;
  bool bookmarks = false;
  std::optional<bool> send_initial_events;
  std::optional<Duration> timeout;
};

struct WriteQuery {
  std::string manager;
  Validation validation = Validation::Warn;
  bool dry_run = false;
  std::optional<bool> force;  // apply only
  std::optional<store::Fence> fence;
  const User* user = nullptr;  // who writes, for checks that ask; null: the house itself
  // Namespaces that would exist by then: of a plan that makes them. May be null.
  const std::unordered_set<std::string>* coming_namespaces = nullptr;
};

struct DeleteQuery {
  std::string propagation;  // Background, Foreground, Orphan; empty: Background
  Preconditions preconditions;
  bool dry_run = false;
  bool deprecated_orphan_false = false;
};

ListQuery list_query(const HttpRequest& request);
// kind is CreateOptions, UpdateOptions or PatchOptions; apply tells whether the body is an apply patch.
WriteQuery write_query(const HttpRequest& request, std::string_view kind, bool apply);
// From a DeleteOptions body (null when there was none), else from the query.
DeleteQuery delete_query(const HttpRequest& request, const json::Value& options);

// A decimal resourceVersion. Throws Error(BadRequest) naming the field.
Revision parse_revision(std::string_view text, std::string_view field);

}  // namespace gantry::api
