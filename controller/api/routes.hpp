// Which endpoint a path names. Pure: nothing is looked up but the catalogue of kinds.
#pragma once

#include <string>
#include <vector>

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

struct Route {
  enum class To {
    Unknown,
    Paths,   // /
    Health,  // /healthz, /livez, /readyz and the checks below them
    Metrics,
    Version,
    OpenApiV2,
    OpenApiIndex,
    OpenApiGroup,  // rest: api/v1, apis/G/V
    Api,           // /api
    Apis,          // /apis
    Group,         // /apis/G; group
    GroupVersion,  // /api/v1, /apis/G/V; group_version
    Resource,      // target
    // Asked with POST, and nothing is stored; group and resource.
    AccessReview,        // may I
    SubjectReview,       // may they
    LocalSubjectReview,  // may they, in target.ns
    RulesReview,
    SelfReview,
    TokenReview,
    Plans,
  };
  To to = To::Unknown;
  Target target;
  bool watch = false;  // the older path form of a watch: /apis/G/V/watch/...
  std::string group, group_version, rest;
  std::string resource;  // the plural of what is no kind of the catalogue: tokenreviews
};

// segments: of the path, decoded. Error(NotFound) is not thrown: To::Unknown says it.
Route route(const Catalogue& catalogue, const std::vector<std::string>& segments);

}  // namespace gantry::api
