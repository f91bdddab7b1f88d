#include "controller/api/access/reviews.hpp"

#include "controller/api/access/service_accounts.hpp"

namespace gantry::api::access {
namespace {

void name_it(json::Value& review, std::string_view api_version, std::string_view kind) {
  if (!review.is_object()) review = json::Object();
  review["apiVersion"] = api_version;
  review["kind"] = kind;
  json::Value& metadata = review["metadata"];
  if (!metadata.is_object()) metadata = json::Object{{"creationTimestamp", nullptr}};
}

[[noreturn]] void bad(std::string what) { throw Error(ErrorCode::BadRequest, std::move(what)); }

json::Array to_array(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

std::vector<std::string> texts(const json::Value* list) {
  std::vector<std::string> out;
  if (!list || !list->is_array()) return out;
  for (const auto& text : list->as_array()) {
    if (text.is_string()) out.push_back(text.as_string());
  }
  return out;
}

json::Object user_info(const User& user) {
  json::Object info{{"username", user.name}};
  if (!user.uid.empty()) info.set("uid", user.uid);
  if (!user.groups.empty()) info.set("groups", to_array(user.groups));
  return info;
}

// The attributes of a review, as a question to the authorizer.
class Question {
 public:
  explicit Question(const json::Value& review) {
    const json::Value* resource = review.at({"spec", "resourceAttributes"});
    const json::Value* path = review.at({"spec", "nonResourceAttributes"});
    if (!resource == !path) bad("exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be given");
    const json::Value& from = resource ? *resource : *path;
    verb_ = from.string_or("verb");
    if (resource) {
      group_ = from.string_or("group");
      // kubectl auth can-i '*' '*' asks for everything.
      resource_ = from.string_or("resource");
      subresource_ = from.string_or("subresource");
      ns_ = from.string_or("namespace");
      name_ = from.string_or("name");
    } else {
      path_ = from.string_or("path");
    }
  }
  Access access() const { return {verb_, group_, resource_, subresource_, ns_, name_, path_}; }
  const std::string& ns() const { return ns_; }

 private:
  std::string verb_, group_, resource_, subresource_, ns_, name_, path_;
};

json::Value answered(json::Value review, bool allowed) {
  json::Object status{{"allowed", allowed}};
  if (!allowed) status.set("reason", "no role that is bound to this user allows it");
  review["status"] = std::move(status);
  return review;
}

}  // namespace

json::Value review_access(json::Value review, const User& user, const Authorizer& authorizer) {
  name_it(review, "authorization.k8s.io/v1", "SelfSubjectAccessReview");
  const Question question(review);
  return answered(std::move(review), authorizer.allow(user, question.access()));
}

json::Value review_rules(json::Value review, const User& user, const Authorizer& authorizer) {
  name_it(review, "authorization.k8s.io/v1", "SelfSubjectRulesReview");
  const json::Value* spec = review.find("spec");
  review["status"] = authorizer.rules(user, spec ? spec->string_or("namespace") : std::string());
  return review;
}

json::Value review_self(json::Value review, const User& user, std::string_view api_version) {
  name_it(review, api_version, "SelfSubjectReview");
  review["status"] = json::Object{{"userInfo", user_info(user)}};
  return review;
}

json::Value review_subject(json::Value review, std::string_view ns, const Authorizer& authorizer) {
  name_it(review, "authorization.k8s.io/v1", ns.empty() ? "SubjectAccessReview" : "LocalSubjectAccessReview");
  const Question question(review);
  const json::Value& spec = *review.find("spec");
  const User user{spec.string_or("user"), spec.string_or("uid"), texts(spec.find("groups"))};
  if (user.name.empty() && user.groups.empty()) bad("at least one of spec.user and spec.groups must be given");
  if (!ns.empty() && question.ns() != ns) bad("spec.resourceAttributes.namespace must be the namespace of the request");
  return answered(std::move(review), authorizer.allow(user, question.access()));
}

json::Value review_token(json::Value review, const Identities* identities) {
  name_it(review, "authentication.k8s.io/v1", "TokenReview");
  const json::Value* spec = review.find("spec");
  const std::string token = spec ? spec->string_or("token") : std::string();
  if (token.empty()) bad("spec.token must be given");
  const auto verified = identities ? identities->review(token, texts(spec->find("audiences"))) : std::nullopt;
  json::Object status;
  if (verified) {
    status = json::Object{
        {"audiences", to_array(verified->audiences)}, {"authenticated", true}, {"user", user_info(verified->user)}};
  } else {
    // As for a request that shows it: not why.
    status = json::Object{{"authenticated", false}, {"error", "the token is not valid here"}, {"user", json::Object()}};
  }
  review["status"] = std::move(status);
  return review;
}

}  // namespace gantry::api::access
