// JSON Web Signatures in their compact form (RFC 7515) with ES256: how ServiceAccount tokens are signed. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"

namespace gantry {

// An EC P-256 key pair.
class SigningKey {
 public:
  // PEM of the private key. Throws Error(Invalid) when it is none, or another curve's.
  explicit SigningKey(const Secret& pem);
  ~SigningKey();
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;
  static Secret generate();

  // Tells this key from others; derived from its public half.
  const std::string& id() const { return id_; }

  // header.payload.signature
  std::string sign(const json::Value& claims) const;
  // The claims of a token that this key has signed, else nothing: not why.
  std::optional<json::Value> verify(std::string_view token) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string id_;
};

}  // namespace gantry
