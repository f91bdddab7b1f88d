#include "controller/api/discovery.hpp"

#include <algorithm>

#include "controller/api/media.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"
#include "controller/object/versions.hpp"

namespace gantry::api {

// One resource or subresource as clients see it.
struct Discovery::Entry {
  std::string name;  // apps, or status for a subresource
  std::string singular;
  std::string group, version, kind;  // of what it answers
  bool namespaced = true;
  std::vector<std::string> short_names, categories, verbs;
  std::vector<Entry> subresources;
};

namespace {

json::Array texts(const std::vector<std::string>& words) {
  json::Array out;
  for (const auto& word : words) out.emplace_back(word);
  return out;
}

std::string group_of(std::string_view group_version) {
  const auto slash = group_version.find('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : group_version.substr(0, slash));
}

std::string version_of(std::string_view group_version) {
  return std::string(group_version.substr(group_version.find('/') + 1));
}

json::Object version_entry(const std::string& group_version) {
  return {{"groupVersion", group_version}, {"version", version_of(group_version)}};
}

json::Object legacy_group(const std::string& group, const std::vector<std::string>& group_versions) {
  json::Array versions;
  for (const auto& group_version : group_versions) {
    if (group_of(group_version) == group) versions.emplace_back(version_entry(group_version));
  }
  const json::Value preferred = versions.front();
  return {{"name", group}, {"preferredVersion", preferred}, {"versions", std::move(versions)}};
}

// The aggregated forms are asked for by name; the first that we have, in the client's order.
enum class Format { Legacy, V2, V2Beta1 };

Format wanted(const HttpRequest& request) {
  const std::string* accept = request.header("accept");
  if (!accept || accept->empty()) return Format::Legacy;
  for (const auto& clause : parse_accept(*accept)) {
    if (clause.q <= 0) continue;
    const auto as = clause.parameter("as");
    if (as.empty() && (clause.type == "application/json" || clause.type == "*/*" || clause.type == "application/*"))
      return Format::Legacy;
    if (clause.type != "application/json" || as != "APIGroupDiscoveryList" ||
        clause.parameter("g") != "apidiscovery.k8s.io")
      continue;
    if (clause.parameter("v") == "v2") return Format::V2;
    if (clause.parameter("v") == "v2beta1") return Format::V2Beta1;
  }
  throw not_acceptable({"application/json", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"});
}

HttpResponse answer(const HttpRequest& request, const Document& legacy, const Document& v2, const Document& v2beta1) {
  HttpResponse response;
  switch (wanted(request)) {
    case Format::Legacy:
      response = document_response(request, legacy);
      break;
    case Format::V2:
      response = document_response(request, v2, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
      break;
    case Format::V2Beta1:
      response = document_response(request, v2beta1,
                                   "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList");
      break;
  }
  response.headers.emplace_back("Vary", "Accept");
  return response;
}

}  // namespace

std::string digest(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a; only to tell one document from another
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ULL;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[hash >> shift & 15];
  return out;
}

Document document(std::string text) {
  std::string etag = "\"" + digest(text) + "\"";
  return {std::move(text), std::move(etag)};
}

HttpResponse document_response(const HttpRequest& request, const Document& document, std::string content_type) {
  HttpResponse response;
  response.content_type = std::move(content_type);
  response.headers.emplace_back("ETag", document.etag);
  const std::string* known = request.header("if-none-match");
  if (known && known->find(document.etag) != std::string::npos) {
    response.status = 304;
  } else {
    response.body.emplace_back(document.text);
  }
  return response;
}

Discovery::Discovery(const Catalogue& catalogue, const std::string& advertise) {
  std::map<std::string, std::vector<Entry>> entries;
  add_kinds(catalogue, entries);
  const auto virtual_resource = [&](const std::string& group_version, Entry entry) {
    entry.group = group_of(group_version);
    entry.version = version_of(group_version);
    entries[group_version].push_back(std::move(entry));
  };
  const auto review = [&](const std::string& group_version, const std::string& plural, const std::string& kind,
                          bool namespaced = false) {
    Entry entry;
    entry.name = plural;
    entry.singular = plural.substr(0, plural.size() - 1);
    entry.kind = kind;
    entry.namespaced = namespaced;
    entry.verbs = {"create"};
    virtual_resource(group_version, entry);
  };
  review("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview");
  review("authentication.k8s.io/v1beta1", "selfsubjectreviews", "SelfSubjectReview");
  review("authentication.k8s.io/v1", "tokenreviews", "TokenReview");
  review("authorization.k8s.io/v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", true);
  review("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview");
  review("authorization.k8s.io/v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview");
  review("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview");
  review("plan.gantry.dev/v1alpha1", "plans", "PlanRequest");
  // v1 first, then our own kinds in the table's order, then what serves them.
  const auto add = [&](const std::string& group_version) {
    if (std::ranges::find(order_, group_version) == order_.end()) order_.push_back(group_version);
  };
  add("v1");
  for (const auto& served : catalogue.all()) {
    if (served->routed) add(served->api_version);
  }
  for (const auto& [group_version, unused] : entries) {
    if (group_version != "authentication.k8s.io/v1beta1") add(group_version);
  }
  add("authentication.k8s.io/v1beta1");
  // The versions of a group stand together, the preferred one first.
  std::map<std::string, std::size_t> places;
  for (const auto& group_version : order_) places.emplace(group_of(group_version), places.size());
  std::ranges::sort(order_, [&](const std::string& a, const std::string& b) {
    const std::size_t left = places.at(group_of(a)), right = places.at(group_of(b));
    return left == right ? object::is_preferred(version_of(a), version_of(b)) : left < right;
  });
  write_aggregated(entries);
  write_legacy(entries, advertise);
}

void Discovery::add_kinds(const Catalogue& catalogue, std::map<std::string, std::vector<Entry>>& entries) {
  for (const auto& served : catalogue.all()) {
    if (!served->routed) continue;
    const object::Kind& kind = *served->kind;
    Entry entry{kind.plural,     kind.singular,    kind.group,      kind.version,  kind.kind,
                kind.namespaced, kind.short_names, kind.categories, served->verbs, {}};
    const auto sub = [&](std::string name, std::string group, std::string version, std::string answers,
                         std::vector<std::string> verbs) {
      entry.subresources.push_back({std::move(name),
                                    {},
                                    std::move(group),
                                    std::move(version),
                                    std::move(answers),
                                    kind.namespaced,
                                    {},
                                    {},
                                    std::move(verbs),
                                    {}});
    };
    if (served->is("", "namespaces")) sub("finalize", kind.group, kind.version, kind.kind, {"update"});
    if (served->has_status_subresource())
      sub("status", kind.group, kind.version, kind.kind, {"get", "patch", "update"});
    if (kind.scale) sub("scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"});
    std::map<std::string, std::shared_ptr<Subresource>> ordered(served->subresources.begin(),
                                                                served->subresources.end());
    for (const auto& [name, subresource] : ordered)
      sub(name, kind.group, kind.version, subresource->response_kind(), subresource->verbs());
    entries[served->api_version].push_back(std::move(entry));
  }
}

void Discovery::write_aggregated(const std::map<std::string, std::vector<Entry>>& entries) {
  const auto response_kind = [](const Entry& entry) {
    return json::Object{{"group", entry.group}, {"kind", entry.kind}, {"version", entry.version}};
  };
  const auto resource = [&](const Entry& entry) {
    json::Object made{{"resource", entry.name},
                      {"responseKind", response_kind(entry)},
                      {"scope", entry.namespaced ? "Namespaced" : "Cluster"},
                      {"singularResource", entry.singular},
                      {"verbs", texts(entry.verbs)}};
    if (!entry.short_names.empty()) made.set("shortNames", texts(entry.short_names));
    if (!entry.categories.empty()) made.set("categories", texts(entry.categories));
    json::Array subresources;
    for (const auto& sub : entry.subresources) {
      subresources.emplace_back(
          json::Object{{"responseKind", response_kind(sub)}, {"subresource", sub.name}, {"verbs", texts(sub.verbs)}});
    }
    if (!subresources.empty()) made.set("subresources", std::move(subresources));
    return made;
  };
  const auto group_item = [&](const std::string& group) {
    json::Array versions;
    for (const auto& group_version : order_) {
      if (group_of(group_version) != group) continue;
      json::Array resources;
      for (const auto& entry : entries.at(group_version)) resources.emplace_back(resource(entry));
      versions.emplace_back(json::Object{
          {"freshness", "Current"}, {"resources", std::move(resources)}, {"version", version_of(group_version)}});
    }
    json::Object metadata{{"creationTimestamp", nullptr}};
    if (!group.empty()) metadata.set("name", group);
    return json::Object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}};
  };
  const auto list = [](const char* version, const json::Array& items) {
    return document(json::dump(json::Object{{"apiVersion", std::string("apidiscovery.k8s.io/") + version},
                                            {"items", items},
                                            {"kind", "APIGroupDiscoveryList"},
                                            {"metadata", json::Object()}}));
  };
  json::Array core, others;
  std::vector<std::string> seen;
  for (const auto& group_version : order_) {
    const std::string group = group_of(group_version);
    if (std::ranges::find(seen, group) != seen.end()) continue;
    seen.push_back(group);
    (group.empty() ? core : others).emplace_back(group_item(group));
  }
  api_v2_ = list("v2", core);
  api_v2beta1_ = list("v2beta1", core);
  apis_v2_ = list("v2", others);
  apis_v2beta1_ = list("v2beta1", others);
}

void Discovery::write_legacy(const std::map<std::string, std::vector<Entry>>& entries, const std::string& advertise) {
  api_legacy_ = document(
      json::dump(json::Object{{"kind", "APIVersions"},
                              {"serverAddressByClientCIDRs",
                               json::Array{json::Object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", advertise}}}},
                              {"versions", json::Array{"v1"}}}));
  json::Array list;
  for (const auto& group_version : order_) {
    const std::string group = group_of(group_version);
    if (!group.empty() && !groups_.contains(group)) {
      json::Object made = legacy_group(group, order_);
      list.emplace_back(made);
      made.set("apiVersion", "v1");
      made.set("kind", "APIGroup");
      groups_[group] = document(json::dump(made));
    }
    json::Array resources;
    for (const auto& entry : entries.at(group_version)) {
      json::Object made{{"kind", entry.kind},
                        {"name", entry.name},
                        {"namespaced", entry.namespaced},
                        {"singularName", entry.singular},
                        {"verbs", texts(entry.verbs)}};
      if (!entry.short_names.empty()) made.set("shortNames", texts(entry.short_names));
      if (!entry.categories.empty()) made.set("categories", texts(entry.categories));
      resources.emplace_back(std::move(made));
      for (const auto& sub : entry.subresources) {
        json::Object below{{"kind", sub.kind},
                           {"name", entry.name + "/" + sub.name},
                           {"namespaced", sub.namespaced},
                           {"singularName", ""},
                           {"verbs", texts(sub.verbs)}};
        if (sub.group != group) {
          below.set("group", sub.group);
          below.set("version", sub.version);
        }
        resources.emplace_back(std::move(below));
      }
    }
    group_versions_[group_version] = document(json::dump(json::Object{{"apiVersion", "v1"},
                                                                      {"groupVersion", group_version},
                                                                      {"kind", "APIResourceList"},
                                                                      {"resources", std::move(resources)}}));
  }
  apis_legacy_ =
      document(json::dump(json::Object{{"apiVersion", "v1"}, {"groups", std::move(list)}, {"kind", "APIGroupList"}}));
}

HttpResponse Discovery::api(const HttpRequest& request) const {
  return answer(request, api_legacy_, api_v2_, api_v2beta1_);
}

HttpResponse Discovery::apis(const HttpRequest& request) const {
  return answer(request, apis_legacy_, apis_v2_, apis_v2beta1_);
}

HttpResponse Discovery::group(const HttpRequest& request, const std::string& group) const {
  const auto at = groups_.find(group);
  if (at == groups_.end()) throw unknown_path();
  return document_response(request, at->second);
}

HttpResponse Discovery::group_version(const HttpRequest& request, const std::string& group_version) const {
  const auto at = group_versions_.find(group_version);
  if (at == group_versions_.end()) throw unknown_path();
  return document_response(request, at->second);
}

std::string version_document(const std::string& version) {
  return json::dump(json::Object{{"buildDate", "2025-01-01T00:00:00Z"},
                                 {"compiler", ""},
                                 {"gitCommit", ""},
                                 {"gitTreeState", "clean"},
                                 {"gitVersion", "v1.33.0+gantry." + version},
                                 {"goVersion", ""},
                                 {"major", "1"},
                                 {"minor", "33"},
                                 {"platform", "linux/amd64"}});
}

}  // namespace gantry::api
