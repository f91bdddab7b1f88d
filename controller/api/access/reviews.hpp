// What a client may ask about who somebody is and what they may do. Each takes the review as it was sent and returns it
// with its status; nothing is stored. Throws Error(BadRequest) for a spec that says nothing, or too much.
#pragma once

#include "controller/api/authorizer.hpp"
#include "controller/api/handler.hpp"
#include "controller/base/json.hpp"

namespace gantry::api::access {

class Identities;

// May I (SelfSubjectAccessReview), what may I (SelfSubjectRulesReview), who am I (SelfSubjectReview).
json::Value review_access(json::Value review, const User& user, const Authorizer& authorizer);
json::Value review_rules(json::Value review, const User& user, const Authorizer& authorizer);
json::Value review_self(json::Value review, const User& user, std::string_view api_version);

// May they (SubjectAccessReview; LocalSubjectAccessReview when ns is given).
json::Value review_subject(json::Value review, std::string_view ns, const Authorizer& authorizer);
// Whose token is this (TokenReview). identities may be null: then it is nobody's.
json::Value review_token(json::Value review, const Identities* identities);

}  // namespace gantry::api::access
