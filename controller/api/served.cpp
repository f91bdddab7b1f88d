#include "controller/api/served.hpp"

#include <algorithm>

namespace gantry::api {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames{"get",   "list",  "watch",  "create",          "update",
                                                          "patch", "apply", "delete", "deletecollection"};

std::string path_of(std::string_view group, std::string_view version, std::string_view plural) {
  std::string path;
  path.reserve(group.size() + version.size() + plural.size() + 2);
  return path.append(group).append("/").append(version).append("/").append(plural);
}

// What the version that is served says of itself.
std::string deprecation_of(const object::Kind& kind) {
  const json::Value* versions = kind.definition.at({"spec", "versions"});
  if (!versions || !versions->is_array()) return {};
  for (const auto& version : versions->as_array()) {
    if (version.string_or("name") != kind.version || !version.bool_or("deprecated", false)) continue;
    return version.string_or("deprecationWarning", kind.api_version() + " " + kind.kind + " is deprecated");
  }
  return {};
}

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
      api_version(kind->api_version()),
      list_kind(kind->kind + "List"),
      strategic_patch(kind->is_core()),
      verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
      table(std::make_unique<const Table>(*kind)),
      deprecation(deprecation_of(*kind)),
      metrics(std::string(resource.qualified())) {
  const bool is_namespace = is("", "namespaces");
  const bool is_event = is("", "events");
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

Catalogue::Catalogue(const object::KindTable& kinds) {
  for (const auto& kind : kinds.all()) put(kind);
}

void Catalogue::put(object::KindPtr kind) {
  auto made = std::make_shared<Served>(std::move(kind));
  if (const ServedPtr before = find(made->resource)) made->subresources = before->subresources;
  place(std::move(made));
}

void Catalogue::place(ServedPtr made) {
  const auto at = std::ranges::find(served_, made->resource, [](const ServedPtr& served) { return served->resource; });
  if (at != served_.end()) {
    forget(*at);
    *at = made;
  } else {
    served_.push_back(made);
  }
  index(made);
  ++generation_;
}

void Catalogue::erase(object::Resource resource) {
  const auto at = std::ranges::find(served_, resource, [](const ServedPtr& served) { return served->resource; });
  if (at == served_.end()) return;
  forget(*at);
  served_.erase(at);
  ++generation_;
}

void Catalogue::index(const ServedPtr& served) {
  const object::Kind& kind = *served->kind;
  by_path_[path_of(kind.group, kind.version, kind.plural)] = served;
  by_kind_[served->api_version + "/" + kind.kind] = served;
  by_resource_[served->resource.qualified()] = served;
  if (served->is("", "namespaces")) namespaces_ = served;
}

void Catalogue::forget(const ServedPtr& served) {
  const object::Kind& kind = *served->kind;
  by_path_.erase(path_of(kind.group, kind.version, kind.plural));
  by_kind_.erase(served->api_version + "/" + kind.kind);
  by_resource_.erase(served->resource.qualified());
  if (namespaces_ == served) namespaces_.reset();
}

void Catalogue::add_subresource(object::Resource resource, std::string name, std::shared_ptr<Subresource> subresource) {
  const ServedPtr served = find(resource);
  if (!served) {
    throw Error(ErrorCode::Invalid,
                "no kind " + std::string(resource.qualified()) + " is served, so it cannot have a subresource " + name);
  }
  auto made = std::make_shared<Served>(served->kind);
  made->subresources = served->subresources;
  made->subresources[std::move(name)] = std::move(subresource);
  place(std::move(made));
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
