// Tokens of ServiceAccounts: JSON Web Tokens, signed with a key of our own, for named audiences, until a time, and only
// while the ServiceAccount (and the Secret a token may be bound to) exists with the same uid. Front reactor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/api/authenticator.hpp"
#include "controller/api/verbs/verbs.hpp"
#include "controller/base/jws.hpp"

namespace gantry::api::access {

// Who signs the tokens, and the audience they are for unless another is asked for.
inline constexpr std::string_view kIssuer = "gantry";

class ServiceAccountTokens {
 public:
  ServiceAccountTokens(Plane& plane, SigningKey key) : plane_(plane), key_(std::move(key)) {}

  struct BoundTo {
    std::string name, uid;  // of a Secret in the same namespace
  };
  struct Order {
    std::vector<std::string> audiences;  // empty: kIssuer
    Duration life = std::chrono::hours(1);
    std::optional<BoundTo> bound_to;
  };
  struct Issued {
    std::string token;
    WallTime expires;
  };
  Issued issue(const object::Object& account, const Order& order) const;

  struct Verified {
    User user;
    std::vector<std::string> audiences;  // those of the token that were asked for
  };
  // audiences: any of them will do. Nothing when the token is not good; not why.
  std::optional<Verified> verify(std::string_view token, const std::vector<std::string>& audiences) const;

 private:
  bool exists(const object::Key& key, std::string_view uid) const;

  Plane& plane_;
  SigningKey key_;
};

// POST .../serviceaccounts/NAME/token (TokenRequest): `kubectl create token`.
std::shared_ptr<Subresource> token_subresource(const ServiceAccountTokens& tokens, const Plane& plane);

// Certificates and static tokens first (api::Authenticator), then ServiceAccount tokens.
class Identities final : public Authenticator {
 public:
  // All must outlive it.
  Identities(Authenticator known, const ServiceAccountTokens& tokens, store::Store& store);

  std::optional<User> identify(const tls::Identity* certificate, std::string_view authorization) const override;
  // Goes up when a token may have ended before its time: its ServiceAccount or Secret was deleted.
  std::uint64_t revision() const override;

  // Of a token alone, for TokenReview. audiences empty: ours.
  std::optional<ServiceAccountTokens::Verified> review(std::string_view token,
                                                       const std::vector<std::string>& audiences) const;

 private:
  void catch_up() const;

  const ServiceAccountTokens& tokens_;
  store::Store& store_;
  mutable std::vector<std::unique_ptr<store::Watch>> watches_;
  mutable object::Revision seen_ = 0;
  mutable std::uint64_t revision_ = 1;
};

}  // namespace gantry::api::access
