// Certificates of our own: an authority (EC P-256), serving and client certificates signed by it, and the folder that
// keeps them. Blocks; for starting up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/random.hpp"
#include "controller/base/secret.hpp"

namespace gantry::pki {

inline constexpr std::chrono::days kAuthorityLife{3650};
inline constexpr std::chrono::days kCertificateLife{365};
inline constexpr std::chrono::days kRenewBefore{30};

// A certificate and its private key, both PEM.
struct Credential {
  std::string certificate;
  Secret key;
};

struct Life {
  WallTime from;
  WallTime until;
};

Credential make_authority(std::string_view common_name, Life life);
// names: DNS names and addresses that clients will use.
Credential issue_serving(const Credential& authority, const std::vector<std::string>& names, Life life);
// CN is the user, each O a group.
Credential issue_client(const Credential& authority, std::string_view user, const std::vector<std::string>& groups,
                        Life life);

// Of the first certificate in PEM text. Throw Error(Invalid).
Life life_of(const std::string& certificate);
// Whether the certificate may be used for each of these names and was signed by that authority's key.
bool serves(const std::string& certificate, const std::vector<std::string>& names, const std::string& authority);

// 256 bits in hex.
Secret new_token(Random& random);

// "sha256:<hex>" of the first certificate in PEM text, as `openssl x509 -fingerprint -sha256` without its colons: what
// tls::Context::Client::pin compares. Throws Error(Invalid).
std::string fingerprint_of(const std::string& certificate);

// DIR/pki: ca.crt, ca.key, serving.crt, serving.key, admin.crt, admin.key; keys are 0600, the folder 0700.
class Folder {
 public:
  // Makes what is missing. Throws Error(Forbidden) when a key can be read by others, with what to do about it.
  Folder(std::string path, Clock& clock);

  const std::string& authority_certificate() const { return authority_.certificate; }
  // Kept from the last start while it covers the names and lives for another 30 days, else issued anew.
  Credential serving(std::vector<std::string> names);
  // For a server elsewhere; not kept.
  Credential issue(const std::vector<std::string>& names) const;
  Credential client(const std::string& file, std::string_view user, const std::vector<std::string>& groups);
  // For a person or a program elsewhere; not kept. At most the authority's own life.
  Credential client_for(std::string_view user, const std::vector<std::string>& groups, Duration life) const;

 private:
  bool load(const std::string& file, Credential& into) const;
  void save(const std::string& file, const Credential& credential) const;
  Life life(std::chrono::days length) const;

  std::string path_;
  Clock& clock_;
  Credential authority_;
};

// What people may call this machine when a server listens at that address: the address itself (unless it is a
// wildcard), localhost, 127.0.0.1, ::1, the host name.
std::vector<std::string> serving_names(const std::string& listen_address);

}  // namespace gantry::pki
