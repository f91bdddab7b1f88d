#include "controller/cli/discovery.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/cli/nearest.hpp"

namespace gantry::cli {
namespace {

constexpr auto kCacheAge = std::chrono::minutes(10);
constexpr std::string_view kAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

std::vector<std::string> strings_of(const json::Value& object, std::string_view key) {
  std::vector<std::string> strings;
  const json::Value* list = object.find(key);
  if (!list || !list->is_array()) return strings;
  for (const json::Value& item : list->as_array()) {
    if (item.is_string()) strings.push_back(item.as_string());
  }
  return strings;
}

json::Value json_of(const std::vector<std::string>& strings) { return json::Array(strings.begin(), strings.end()); }

// The resources of one APIGroupDiscoveryList. Of a group's versions the first that is not stale is preferred.
void read_groups(const json::Value& list, std::vector<ResourcePtr>& resources) {
  const json::Value* groups = list.find("items");
  if (!groups || !groups->is_array()) return;
  for (const json::Value& group : groups->as_array()) {
    const json::Value* name = group.at({"metadata", "name"});
    const json::Value* versions = group.find("versions");
    if (!versions || !versions->is_array()) continue;
    for (const json::Value& version : versions->as_array()) {
      const json::Value* listed = version.find("resources");
      if (!listed || !listed->is_array() || version.string_or("freshness") == "Stale") continue;
      for (const json::Value& item : listed->as_array()) {
        const json::Value* kind = item.at({"responseKind", "kind"});
        if (!kind || !kind->is_string()) continue;
        auto resource = std::make_shared<ApiResource>();
        resource->group = name && name->is_string() ? name->as_string() : "";
        resource->version = version.string_or("version");
        resource->kind = kind->as_string();
        resource->plural = item.string_or("resource");
        resource->singular = item.string_or("singularResource", lower(resource->kind));
        resource->short_names = strings_of(item, "shortNames");
        resource->categories = strings_of(item, "categories");
        resource->verbs = strings_of(item, "verbs");
        resource->namespaced = item.string_or("scope") == "Namespaced";
        resources.push_back(std::move(resource));
      }
    }
  }
}

json::Value to_json(const ApiResource& resource) {
  return json::Object{{"group", resource.group},
                      {"version", resource.version},
                      {"kind", resource.kind},
                      {"plural", resource.plural},
                      {"singular", resource.singular},
                      {"shortNames", json_of(resource.short_names)},
                      {"categories", json_of(resource.categories)},
                      {"verbs", json_of(resource.verbs)},
                      {"namespaced", resource.namespaced}};
}

ResourcePtr from_json(const json::Value& item) {
  auto resource = std::make_shared<ApiResource>();
  resource->group = item.string_or("group");
  resource->version = item.string_or("version");
  resource->kind = item.string_or("kind");
  resource->plural = item.string_or("plural");
  resource->singular = item.string_or("singular");
  resource->short_names = strings_of(item, "shortNames");
  resource->categories = strings_of(item, "categories");
  resource->verbs = strings_of(item, "verbs");
  resource->namespaced = item.bool_or("namespaced", true);
  return resource;
}

}  // namespace

std::string ApiResource::label() const { return group.empty() ? lower(kind) : lower(kind) + "." + group; }

bool ApiResource::has_verb(std::string_view verb) const { return std::ranges::find(verbs, verb) != verbs.end(); }

bool ApiResource::in_category(std::string_view category) const {
  return std::ranges::find(categories, category) != categories.end();
}

std::string ApiResource::path(std::string_view ns, std::string_view name, std::string_view subresource) const {
  std::string path = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
  if (namespaced && !ns.empty()) path += "/namespaces/" + path_segment(ns);
  path += "/" + plural;
  if (!name.empty()) path += "/" + path_segment(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

Discovery::Discovery(Server& server, Clock& clock, std::string cache_file)
    : server_(server), clock_(clock), cache_file_(std::move(cache_file)) {}

const std::vector<ResourcePtr>& Discovery::all() {
  if (!loaded_ && !read_cache()) refresh();
  return resources_;
}

void Discovery::refresh() {
  Request core{.path = "/api", .accept = std::string(kAggregated)};
  Request groups = core;
  groups.path = "/apis";
  const auto answers = server_.send_all({core, groups});
  std::vector<ResourcePtr> found;
  if (answers[0].status != 404) read_groups(answers[0].json(), found);
  const json::Value list = answers[1].json();
  if (list.string_or("kind") != "APIGroupDiscoveryList") {
    throw Error(ErrorCode::NotAcceptable, server_.address() +
                                              " does not offer aggregated discovery (Kubernetes 1.30 and later do, and "
                                              "every gantry controller). Is it the right server?");
  }
  read_groups(list, found);
  resources_ = std::move(found);
  loaded_ = fresh_ = true;
  write_cache();
}

ResourcePtr Discovery::find(std::string_view word) const {
  const std::string wanted = lower(word);
  const std::size_t dot = wanted.find('.');
  const std::string_view name = std::string_view(wanted).substr(0, dot);
  const std::string_view group = dot == std::string::npos ? "" : std::string_view(wanted).substr(dot + 1);
  for (const ResourcePtr& resource : resources_) {
    // "apps.v1alpha1.gantry.dev" names the version too, as kubectl allows.
    if (!group.empty() && group != resource->group && group != resource->version + "." + resource->group) continue;
    if (name == resource->plural || name == resource->singular || name == lower(resource->kind)) return resource;
    if (std::ranges::find(resource->short_names, name) != resource->short_names.end()) return resource;
  }
  return nullptr;
}

ResourcePtr Discovery::resource(std::string_view word) {
  all();
  if (auto found = find(word)) return found;
  if (!fresh_) {
    refresh();
    if (auto found = find(word)) return found;
  }
  std::vector<std::string_view> names;
  for (const ResourcePtr& resource : resources_) {
    names.push_back(resource->plural);
    names.push_back(resource->singular);
  }
  std::string message = "the server doesn't have a resource type \"" + std::string(word) + "\"";
  if (const auto near = nearest(lower(word), names)) message += "; did you mean \"" + *near + "\"?";
  throw Error(ErrorCode::NotFound, message + " (gantry api-resources lists them all)");
}

std::vector<ResourcePtr> Discovery::category(std::string_view word) {
  std::vector<ResourcePtr> members;
  for (const ResourcePtr& resource : all()) {
    if (resource->in_category(word) && resource->has_verb("list")) members.push_back(resource);
  }
  return members;
}

ResourcePtr Discovery::find_kind(std::string_view api_version, std::string_view kind) {
  const auto found = std::ranges::find_if(all(), [&](const ResourcePtr& resource) {
    return resource->kind == kind && resource->api_version() == api_version;
  });
  return found == resources_.end() ? nullptr : *found;
}

ResourcePtr Discovery::of_kind(std::string_view api_version, std::string_view kind) {
  if (auto found = find_kind(api_version, kind)) return found;
  if (!fresh_) {
    refresh();
    if (auto found = find_kind(api_version, kind)) return found;
  }
  std::vector<std::string_view> names;
  for (const ResourcePtr& resource : resources_) {
    if (resource->kind == kind) {
      throw Error(ErrorCode::NotFound, "no matches for kind \"" + std::string(kind) + "\" in version \"" +
                                           std::string(api_version) +
                                           "\"; write apiVersion: " + resource->api_version());
    }
    names.push_back(resource->kind);
  }
  std::string message =
      "no matches for kind \"" + std::string(kind) + "\" in version \"" + std::string(api_version) + "\"";
  if (const auto near = nearest(kind, names)) message += "; did you mean " + *near + "?";
  throw Error(ErrorCode::NotFound, message);
}

bool Discovery::read_cache() {
  if (cache_file_.empty()) return false;
  std::ifstream file(cache_file_, std::ios::binary);
  if (!file) return false;
  std::ostringstream text;
  text << file.rdbuf();
  try {
    const json::Value cache = json::parse(text.view());
    const auto age = clock_.wall() - parse_time(cache.string_or("written"));
    if (cache.string_or("server") != server_.address() || age < Duration::zero() || age > kCacheAge) return false;
    const json::Value* resources = cache.find("resources");
    if (!resources) return false;
    std::vector<ResourcePtr> found;
    for (const json::Value& item : resources->as_array()) found.push_back(from_json(item));
    resources_ = std::move(found);
    loaded_ = true;
  } catch (const Error&) {
    return false;  // a damaged cache is no cache
  }
  return true;
}

void Discovery::write_cache() const {
  if (cache_file_.empty()) return;
  json::Array items;
  for (const ResourcePtr& resource : resources_) items.push_back(to_json(*resource));
  const json::Value cache = json::Object{
      {"server", server_.address()}, {"written", format_time(clock_.wall())}, {"resources", std::move(items)}};
  // Failing to write (a read-only home) costs the next command a request, nothing else.
  std::error_code ignored;
  const std::filesystem::path path(cache_file_);
  std::filesystem::create_directories(path.parent_path(), ignored);
  const std::filesystem::path draft = path.string() + "." + std::to_string(::getpid());
  std::ofstream(draft, std::ios::binary) << json::dump(cache);
  std::filesystem::rename(draft, path, ignored);
}

}  // namespace gantry::cli
