// What a client may ask about itself: may I (SelfSubjectAccessReview), what may I (SelfSubjectRulesReview), who am I
// (SelfSubjectReview).
#pragma once

#include "controller/api/authorizer.hpp"
#include "controller/api/handler.hpp"
#include "controller/base/json.hpp"

namespace gantry::api {

// Each returns the review with its status. Throws Error(BadRequest) when the spec is missing.
json::Value review_access(json::Value review, const User& user, const Authorizer& authorizer);
json::Value review_rules(json::Value review);
json::Value review_self(json::Value review, const User& user, std::string_view api_version);

}  // namespace gantry::api
