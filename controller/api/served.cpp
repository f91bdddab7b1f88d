#include "controller/api/served.hpp"

#include <algorithm>

#include "controller/api/event_kind.hpp"

namespace gantry::api {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames{"get",   "list",  "watch",  "create",          "update",
                                                          "patch", "apply", "delete", "deletecollection"};

std::string path_of(std::string_view group, std::string_view version, std::string_view plural) {
  std::string path;
  path.reserve(group.size() + version.size() + plural.size() + 2);
  return path.append(group).append("/").append(version).append("/").append(plural);
}

// What the definition says of this version.
const json::Value& version_of(const object::Kind& kind) {
  static const json::Value none{json::Object()};
  const json::Value* versions = kind.definition.at({"spec", "versions"});
  if (!versions || !versions->is_array()) return none;
  const auto at = std::ranges::find_if(
      versions->as_array(), [&](const json::Value& version) { return version.string_or("name") == kind.version; });
  return at == versions->as_array().end() ? none : *at;
}

std::string deprecation_of(const object::Kind& kind) {
  const json::Value& version = version_of(kind);
  if (!version.bool_or("deprecated", false)) return {};
  return version.string_or("deprecationWarning", kind.api_version() + " " + kind.kind + " is deprecated");
}

constexpr std::string_view kEvents = "events";

}  // namespace

std::string_view to_string(Verb verb) { return kVerbNames[static_cast<std::size_t>(verb)]; }

std::string_view access_verb(Verb verb) { return to_string(verb == Verb::Apply ? Verb::Patch : verb); }

std::string SubresourceRequest::parameter(std::string_view name) const {
  const auto at = std::ranges::find(query, name, [](const auto& pair) { return std::string_view(pair.first); });
  return at == query.end() ? std::string() : at->second;
}

void RequestMetrics::record(Verb verb, int code, Duration took) {
  OfVerb& of_verb = verbs_[static_cast<std::size_t>(verb)];
  auto at = std::ranges::find(of_verb.by_code, code, [](const auto& pair) { return pair.first; });
  if (at == of_verb.by_code.end()) {
    const metrics::Labels labels{
        {"verb", std::string(to_string(verb))}, {"resource", resource_}, {"code", std::to_string(code)}};
    of_verb.by_code.emplace_back(
        code, metrics::counter("gantry_api_requests_total", "Requests answered by the API, by status code.", labels));
    at = std::prev(of_verb.by_code.end());
  }
  at->second.add();
  if (verb == Verb::Watch) return;  // its duration is the client's choice
  if (!of_verb.duration) {
    of_verb.duration = metrics::histogram(
        "gantry_api_request_duration_seconds", "Time from the whole request to the whole answer.",
        metrics::request_buckets(), {{"verb", std::string(to_string(verb))}, {"resource", resource_}});
  }
  of_verb.duration->observe(std::chrono::duration<double>(took).count());
}

Served::Served(object::KindPtr served_kind)
    : kind(std::move(served_kind)),
      resource(kind->resource ? kind->resource : object::Resource::of(kind->group, kind->plural)),
      stored(resource),
      routed(version_of(*kind).bool_or("served", true)),
      api_version(kind->api_version()),
      list_kind(kind->kind + "List"),
      strategic_patch(kind->is_core()),
      verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
      table(std::make_unique<const Table>(*kind)),
      deprecation(deprecation_of(*kind)),
      metrics(std::string(resource.qualified())) {
  const bool is_namespace = is("", "namespaces");
  const bool is_event = is("", kEvents) || is("events.k8s.io", kEvents);
  unconditional_update = kind->is_core() && !is("coordination.k8s.io", "leases");
  create_on_update = is_event || is("coordination.k8s.io", "leases");
  if (is_namespace) std::erase(verbs, "deletecollection");
  const json::Value* mark = kind->definition.at({"metadata", "annotations", "gantry.dev/read-only"});
  read_only = kind->is_core() && mark && mark->is_string() && mark->as_string() == "true";
  if (read_only) verbs = {"get", "list", "watch"};
  if (is_definitions()) {
    deletion_finalizer = "customresourcecleanup.apiextensions.k8s.io";
    unconditional_update = false;
  }
}

json::Value Served::read(const object::Object& object) const {
  json::Value value = object.decode();
  if (view) view->show(value);
  return value;
}

object::ObjectPtr Served::shown(object::ObjectPtr object) const {
  if (!view) return object;
  return std::make_shared<object::Object>(object->key(), object->revision(), object->meta(),
                                          object::encode(read(*object)).with(object->revision()));
}

// A second form of another resource has the columns of that one.
object::ObjectPtr Served::tabled(object::ObjectPtr object) const {
  return stored == resource ? shown(std::move(object)) : object;
}

Catalogue::Catalogue(const object::KindTable& kinds) {
  for (const auto& kind : kinds.all()) put(kind);
}

void Catalogue::put(object::KindPtr kind, const std::vector<object::KindPtr>& others) {
  const ServedPtr before = find(kind->resource);
  const Subresources subresources = before ? before->subresources : Subresources();
  std::vector<object::KindPtr> kinds{std::move(kind)};
  kinds.insert(kinds.end(), others.begin(), others.end());
  place(kinds, subresources);
}

void Catalogue::place(const std::vector<object::KindPtr>& kinds, const Subresources& subresources) {
  std::vector<ServedPtr> made;
  for (const auto& kind : kinds) {
    auto served = std::make_shared<Served>(kind);
    served->subresources = subresources;
    if (kinds.size() > 1) served->view = version_view(kind, *kinds.front());
    made.push_back(std::move(served));
  }
  if (made.front()->is("", kEvents)) {
    auto second = std::make_shared<Served>(events_group_kind(*kinds.front()));
    second->stored = made.front()->resource;
    second->view = events_group_view();
    second->table = std::make_unique<const Table>(*kinds.front());
    made.push_back(std::move(second));
  }
  // Where it was, or behind all others.
  const object::Resource stored = made.front()->resource;
  const auto at = std::ranges::find(served_, stored, [](const ServedPtr& served) { return served->stored; });
  const auto index_of_first = at - served_.begin();
  forget(stored);
  served_.insert(served_.begin() + index_of_first, made.begin(), made.end());
  by_resource_[stored.qualified()] = made.front();
  for (const auto& served : made) index(served);
  ++generation_;
}

void Catalogue::erase(object::Resource resource) {
  if (!find(resource)) return;
  forget(resource);
  ++generation_;
}

void Catalogue::index(const ServedPtr& served) {
  if (!served->routed) return;
  const object::Kind& kind = *served->kind;
  by_path_[path_of(kind.group, kind.version, kind.plural)] = served;
  by_kind_[served->api_version + "/" + kind.kind] = served;
  if (served->is("", "namespaces")) namespaces_ = served;
}

void Catalogue::forget(object::Resource stored) {
  for (const auto& served : served_) {
    if (served->stored != stored) continue;
    const object::Kind& kind = *served->kind;
    by_path_.erase(path_of(kind.group, kind.version, kind.plural));
    by_kind_.erase(served->api_version + "/" + kind.kind);
    if (namespaces_ == served) namespaces_.reset();
  }
  by_resource_.erase(stored.qualified());
  std::erase_if(served_, [&](const ServedPtr& served) { return served->stored == stored; });
}

void Catalogue::add_subresource(object::Resource resource, std::string name, std::shared_ptr<Subresource> subresource) {
  const ServedPtr served = find(resource);
  if (!served) {
    throw Error(ErrorCode::Invalid,
                "no kind " + std::string(resource.qualified()) + " is served, so it cannot have a subresource " + name);
  }
  Subresources subresources = served->subresources;
  subresources[std::move(name)] = std::move(subresource);
  std::vector<object::KindPtr> kinds;
  for (const auto& each : served_) {
    if (each->resource == resource) kinds.push_back(each->kind);
  }
  place(kinds, subresources);
}

ServedPtr Catalogue::find(std::string_view group, std::string_view version, std::string_view plural) const {
  const auto at = by_path_.find(path_of(group, version, plural));
  return at == by_path_.end() ? nullptr : at->second;
}

ServedPtr Catalogue::find(object::Resource resource) const {
  const auto at = by_resource_.find(resource.qualified());
  return at == by_resource_.end() ? nullptr : at->second;
}

ServedPtr Catalogue::find_kind(std::string_view api_version, std::string_view kind) const {
  const auto at = by_kind_.find(std::string(api_version).append("/").append(kind));
  return at == by_kind_.end() ? nullptr : at->second;
}

}  // namespace gantry::api
