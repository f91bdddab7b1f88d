#include "controller/api/routes.hpp"

#include <span>

namespace gantry::api {
namespace {

using To = Route::To;
using Segments = std::span<const std::string>;

std::string joined(Segments segments) {
  std::string out;
  for (const auto& segment : segments) out.append(out.empty() ? "" : "/").append(segment);
  return out;
}

struct Virtual {
  std::string_view group_version, plural;
  To to;
};
constexpr Virtual kVirtual[] = {{"authorization.k8s.io/v1", "selfsubjectaccessreviews", To::AccessReview},
                                {"authorization.k8s.io/v1", "selfsubjectrulesreviews", To::RulesReview},
                                {"authorization.k8s.io/v1", "subjectaccessreviews", To::SubjectReview},
                                {"authorization.k8s.io/v1", "localsubjectaccessreviews", To::LocalSubjectReview},
                                {"authentication.k8s.io/v1", "tokenreviews", To::TokenReview},
                                {"authentication.k8s.io/v1", "selfsubjectreviews", To::SelfReview},
                                {"authentication.k8s.io/v1beta1", "selfsubjectreviews", To::SelfReview},
                                {"plan.gantry.dev/v1alpha1", "plans", To::Plans}};

// Below a group version: [namespaces NS] PLURAL [NAME [SUBRESOURCE]].
Route resource_route(const Catalogue& catalogue, std::string_view group, std::string_view version, Segments rest) {
  Route found;
  found.group_version = group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
  if (rest.size() > 1 && rest[0] == "watch") {
    found.watch = true;
    rest = rest.subspan(1);
  }
  bool in_namespace = rest.size() >= 3 && rest[0] == "namespaces";
  // A Namespace's own subresources look like resources in it.
  if (group.empty() && rest.size() == 3 && (rest[2] == "status" || rest[2] == "finalize")) in_namespace = false;
  if (in_namespace) {
    found.target.ns = rest[1];
    rest = rest.subspan(2);
  }
  if (rest.empty() || rest.size() > 3) return found;
  for (const auto& segment : rest) {
    if (segment.empty()) return found;
  }
  if (rest.size() > 1) found.target.name = rest[1];
  if (rest.size() > 2) found.target.subresource = rest[2];
  if (const ServedPtr served = catalogue.find(group, version, rest[0])) {
    if (in_namespace && !served->kind->namespaced) return found;
    // One object of a namespaced kind is always in its namespace.
    if (!in_namespace && served->kind->namespaced && !found.target.name.empty()) return found;
    if (in_namespace && found.target.ns.empty()) return found;
    found.target.served = served;
    found.to = To::Resource;
    return found;
  }
  for (const auto& entry : kVirtual) {
    if (entry.group_version != found.group_version || entry.plural != rest[0]) continue;
    found.to = entry.to;
    found.group = group;
    found.resource = rest[0];
  }
  return found;
}

Route to(To where) {
  Route found;
  found.to = where;
  return found;
}

Route openapi_route(Segments rest) {
  if (rest.size() == 1 && rest[0] == "v2") return to(To::OpenApiV2);
  if (rest.empty() || rest[0] != "v3") return {};
  Route found = to(rest.size() == 1 ? To::OpenApiIndex : To::OpenApiGroup);
  found.rest = joined(rest.subspan(1));
  return found;
}

}  // namespace

Route route(const Catalogue& catalogue, const std::vector<std::string>& all) {
  Segments segments(all);
  while (!segments.empty() && segments.back().empty()) segments = segments.first(segments.size() - 1);
  if (segments.empty()) return to(To::Paths);
  const std::string& first = segments[0];
  const Segments rest = segments.subspan(1);
  if (first == "apis") {
    if (rest.empty()) return to(To::Apis);
    if (rest.size() > 2) return resource_route(catalogue, rest[0], rest[1], rest.subspan(2));
    Route found = to(rest.size() == 1 ? To::Group : To::GroupVersion);
    found.group = rest[0];
    found.group_version = joined(rest);
    return found;
  }
  if (first == "api") {
    if (rest.empty()) return to(To::Api);
    if (rest.size() > 1) return resource_route(catalogue, "", rest[0], rest.subspan(1));
    Route found = to(To::GroupVersion);
    found.group_version = rest[0];
    return found;
  }
  if (first == "healthz" || first == "livez" || first == "readyz") {
    Route found = to(To::Health);
    found.group = first;
    found.rest = joined(rest);
    return found;
  }
  if (first == "openapi") return openapi_route(rest);
  if (first == "version" && rest.empty()) return to(To::Version);
  if (first == "metrics" && rest.empty()) return to(To::Metrics);
  return {};
}

}  // namespace gantry::api
