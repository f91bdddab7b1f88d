#include "controller/api/reviews.hpp"

namespace gantry::api {
namespace {

void name_it(json::Value& review, std::string_view api_version, std::string_view kind) {
  if (!review.is_object()) review = json::Object();
  review["apiVersion"] = api_version;
  review["kind"] = kind;
  json::Value& metadata = review["metadata"];
  if (!metadata.is_object()) metadata = json::Object{{"creationTimestamp", nullptr}};
}

json::Array one(const char* word) { return json::Array{word}; }

}  // namespace

json::Value review_access(json::Value review, const User& user, const Authorizer& authorizer) {
  name_it(review, "authorization.k8s.io/v1", "SelfSubjectAccessReview");
  const json::Value* resource = review.at({"spec", "resourceAttributes"});
  const json::Value* path = review.at({"spec", "nonResourceAttributes"});
  if (!resource == !path) {
    throw Error(ErrorCode::BadRequest,
                "exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be given");
  }
  const auto text = [&](std::string_view field) { return (resource ? resource : path)->string_or(field); };
  const std::string verb = text("verb"), group = text("group"), plural = text("resource"), sub = text("subresource"),
                    ns = text("namespace"), name = text("name"), where = text("path");
  const bool allowed = authorizer.allow(user, {verb, group, plural, sub, ns, name, where});
  json::Object status{{"allowed", allowed}};
  status.set("reason", allowed ? "" : "no rule allows it");
  review["status"] = std::move(status);
  return review;
}

json::Value review_rules(json::Value review) {
  name_it(review, "authorization.k8s.io/v1", "SelfSubjectRulesReview");
  review["status"] =
      json::Object{{"incomplete", false},
                   {"nonResourceRules", json::Array{json::Object{{"nonResourceURLs", one("*")}, {"verbs", one("*")}}}},
                   {"resourceRules",
                    json::Array{json::Object{{"apiGroups", one("*")}, {"resources", one("*")}, {"verbs", one("*")}}}}};
  return review;
}

json::Value review_self(json::Value review, const User& user, std::string_view api_version) {
  name_it(review, api_version, "SelfSubjectReview");
  json::Object info{{"username", user.name}};
  if (!user.uid.empty()) info.set("uid", user.uid);
  json::Array groups;
  for (const auto& group : user.groups) groups.emplace_back(group);
  if (!groups.empty()) info.set("groups", std::move(groups));
  review["status"] = json::Object{{"userInfo", std::move(info)}};
  return review;
}

}  // namespace gantry::api
