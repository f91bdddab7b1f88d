#include "controller/api/access/service_accounts.hpp"

#include <algorithm>

#include "controller/api/access/role_book.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::api::access {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kLifeMin = 600, kLifeDefault = 3600, kLifeMax = 365 * 86400;  // seconds
constexpr std::size_t kAudiencesMax = 32;

const object::Resource& accounts() {
  static const auto resource = object::Resource::of("", "serviceaccounts");
  return resource;
}
const object::Resource& secrets() {
  static const auto resource = object::Resource::of("", "secrets");
  return resource;
}

std::int64_t to_seconds(WallTime time) { return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count(); }

std::vector<std::string> texts(const json::Value* list) {
  std::vector<std::string> out;
  if (!list) return out;
  if (list->is_string()) out.push_back(list->as_string());
  if (!list->is_array()) return out;
  for (const auto& text : list->as_array()) {
    if (text.is_string()) out.push_back(text.as_string());
  }
  return out;
}

}  // namespace

ServiceAccountTokens::Issued ServiceAccountTokens::issue(const object::Object& account, const Order& order) const {
  const WallTime now = plane_.front.clock().wall();
  const auto& [resource, ns, name] = account.key();
  json::Object about{{"namespace", ns}, {"serviceaccount", json::Object{{"name", name}, {"uid", account.meta().uid}}}};
  if (order.bound_to) about.set("secret", json::Object{{"name", order.bound_to->name}, {"uid", order.bound_to->uid}});
  json::Array audiences(order.audiences.begin(), order.audiences.end());
  if (audiences.empty()) audiences.emplace_back(kIssuer);
  const WallTime expires = WallTime(seconds(to_seconds(now))) + order.life;
  const json::Object claims{{"aud", std::move(audiences)}, {"exp", to_seconds(expires)},
                            {"iat", to_seconds(now)},      {"iss", kIssuer},
                            {"jti", plane_.random.uuid()}, {"kubernetes.io", std::move(about)},
                            {"nbf", to_seconds(now)},      {"sub", service_account_user(ns, name)}};
  return {key_.sign(claims), expires};
}

bool ServiceAccountTokens::exists(const object::Key& key, std::string_view uid) const {
  const ObjectPtr found = plane_.store.find(key);
  return found && found->meta().uid == uid && !uid.empty();
}

std::optional<ServiceAccountTokens::Verified> ServiceAccountTokens::verify(
    std::string_view token, const std::vector<std::string>& audiences) const {
  const auto claims = key_.verify(token);
  if (!claims || !claims->is_object() || claims->string_or("iss") != kIssuer) return std::nullopt;
  const std::int64_t now = to_seconds(plane_.front.clock().wall()), expires = claims->int_or("exp", 0);
  if (now >= expires || now < claims->int_or("nbf", expires)) return std::nullopt;

  Verified verified;
  for (const auto& audience : texts(claims->find("aud"))) {
    if (std::ranges::find(audiences, audience) != audiences.end()) verified.audiences.push_back(audience);
  }
  if (verified.audiences.empty()) return std::nullopt;

  const json::Value* about = claims->find("kubernetes.io");
  if (!about) return std::nullopt;
  const std::string ns = about->string_or("namespace"), name = about->text_at({"serviceaccount", "name"}),
                    uid = about->text_at({"serviceaccount", "uid"});
  if (claims->string_or("sub") != service_account_user(ns, name) || !exists({accounts(), ns, name}, uid))
    return std::nullopt;
  if (about->find("secret") &&
      !exists({secrets(), ns, about->text_at({"secret", "name"})}, about->text_at({"secret", "uid"})))
    return std::nullopt;
  verified.user = {service_account_user(ns, name),
                   uid,
                   {"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"},
                   WallTime(seconds(expires))};
  return verified;
}

namespace {

class TokenRequests final : public Subresource {
 public:
  TokenRequests(const ServiceAccountTokens& tokens, const Plane& plane) : tokens_(tokens), plane_(plane) {}
  std::vector<std::string> verbs() const override { return {"create"}; }
  std::string response_kind() const override { return "TokenRequest"; }

  Task<HttpResponse> handle(SubresourceRequest request) override {
    json::Value review = request.body.is_object() ? std::move(request.body) : json::Value(json::Object());
    const json::Value none = json::Object();
    const json::Value* given = review.find("spec");
    const json::Value& spec = given && given->is_object() ? *given : none;
    ServiceAccountTokens::Order order = order_of(spec, *request.object);
    const auto issued = tokens_.issue(*request.object, order);

    if (order.audiences.empty()) order.audiences.emplace_back(kIssuer);
    json::Object metadata{{"creationTimestamp", format_time(plane_.front.clock().wall())},
                          {"name", request.object->key().name},
                          {"namespace", request.object->key().ns}};
    json::Object said{{"audiences", json::Array(order.audiences.begin(), order.audiences.end())},
                      {"expirationSeconds", std::chrono::duration_cast<seconds>(order.life).count()}};
    if (const json::Value* bound = spec.find("boundObjectRef")) said.set("boundObjectRef", *bound);
    co_return json_response(
        201, json::Value(json::Object{{"apiVersion", "authentication.k8s.io/v1"},
                                      {"kind", "TokenRequest"},
                                      {"metadata", std::move(metadata)},
                                      {"spec", std::move(said)},
                                      {"status", json::Object{{"expirationTimestamp", format_time(issued.expires)},
                                                              {"token", issued.token}}}}));
  }

 private:
  ServiceAccountTokens::Order order_of(const json::Value& spec, const object::Object& account) const {
    std::vector<FieldError> causes;
    ServiceAccountTokens::Order order;
    order.audiences = texts(spec.find("audiences"));
    if (order.audiences.size() > kAudiencesMax)
      causes.push_back(object::too_many("spec.audiences", std::ssize(order.audiences), kAudiencesMax));
    const std::int64_t life = spec.int_or("expirationSeconds", kLifeDefault);
    if (life < kLifeMin) {
      causes.push_back(
          object::invalid("spec.expirationSeconds", life, "may not specify a duration less than 10 minutes"));
    }
    // As with a configured limit upstream: who asks for more gets less, and is told.
    order.life = seconds(std::min(life, kLifeMax));
    if (const json::Value* bound = spec.find("boundObjectRef"); bound && bound->is_object()) {
      const std::string kind = bound->string_or("kind"), name = bound->string_or("name"), uid = bound->string_or("uid");
      static const std::vector<std::string> kKinds{"Secret"};
      if (kind != "Secret") {
        causes.push_back(object::not_supported("spec.boundObjectRef.kind", kind, kKinds));
      } else {
        const ObjectPtr secret = plane_.store.find({secrets(), account.key().ns, name});
        if (!secret) throw not_found(secrets(), name);
        if (!uid.empty() && uid != secret->meta().uid) throw conflict(secrets(), name);
        order.bound_to = ServiceAccountTokens::BoundTo{name, secret->meta().uid};
      }
    }
    if (!causes.empty())
      throw object::invalid_object("authentication.k8s.io", "TokenRequest", account.key().name, std::move(causes));
    return order;
  }

  const ServiceAccountTokens& tokens_;
  const Plane& plane_;
};

}  // namespace

std::shared_ptr<Subresource> token_subresource(const ServiceAccountTokens& tokens, const Plane& plane) {
  return std::make_shared<TokenRequests>(tokens, plane);
}

Identities::Identities(Authenticator known, const ServiceAccountTokens& tokens, store::Store& store)
    : Authenticator(std::move(known)), tokens_(tokens), store_(store) {}

std::optional<User> Identities::identify(const tls::Identity* certificate, std::string_view authorization) const {
  if (auto user = Authenticator::identify(certificate, authorization)) return user;
  const auto token = bearer_token(authorization);
  if (!token) return std::nullopt;
  auto verified = tokens_.verify(*token, {std::string(kIssuer)});
  if (!verified) return std::nullopt;
  return std::move(verified->user);
}

std::optional<ServiceAccountTokens::Verified> Identities::review(std::string_view token,
                                                                 const std::vector<std::string>& audiences) const {
  const std::vector<std::string> ours{std::string(kIssuer)};
  if (auto verified = tokens_.verify(token, audiences.empty() ? ours : audiences)) return verified;
  // A static token says nothing about audiences: it is for this server.
  if (!audiences.empty() && std::ranges::find(audiences, kIssuer) == audiences.end()) return std::nullopt;
  auto user = Authenticator::identify(nullptr, "Bearer " + std::string(token));
  if (!user) return std::nullopt;
  return ServiceAccountTokens::Verified{std::move(*user), ours};
}

std::uint64_t Identities::revision() const {
  if (store_.revision() != seen_) catch_up();
  return revision_;
}

void Identities::catch_up() const {
  try {
    for (const auto& watch : watches_) {
      for (auto events = watch->ready(); !events.empty(); events = watch->ready()) {
        const auto ended = [](const store::EventPtr& event) { return event->type == store::Event::Type::Deleted; };
        if (std::ranges::any_of(events, ended)) ++revision_;
      }
    }
    seen_ = store_.revision();
    if (!watches_.empty()) return;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Expired) throw;
    ++revision_;  // what happened is forgotten: everybody proves who they are once more
  }
  watches_.clear();
  seen_ = store_.revision();
  for (const auto& resource : {accounts(), secrets()}) watches_.push_back(store_.watch(resource, seen_));
}

}  // namespace gantry::api::access
