// Who is asking: a client certificate that our authority signed, or a bearer token of DIR/tokens.csv. Whoever is
// neither may see that the server is alive, and nothing else.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/api/handler.hpp"
#include "controller/base/secret.hpp"
#include "controller/base/tls.hpp"

namespace gantry::api {

class Authenticator {
 public:
  struct Options {
    // Paths that need no identity.
    std::vector<std::string> open_paths{"/healthz", "/livez", "/readyz", "/version"};
  };
  Authenticator() : Authenticator(Options{}) {}
  explicit Authenticator(Options options) : options_(std::move(options)) {}
  Authenticator(const Authenticator&) = default;
  Authenticator& operator=(const Authenticator&) = default;
  virtual ~Authenticator() = default;

  // Lines of token,user,uid,"group1,group2" as kube-apiserver's --token-auth-file has them; the last two may be absent.
  // Only hashes are kept. Throws Error(Invalid) naming the line, never the token.
  void read_tokens(std::string_view csv);
  void add_token(std::string_view token, User user);

  // The header that says who is asking, in lower case.
  virtual std::string_view header() const { return "authorization"; }
  // Its value, or empty. The certificate counts first, as in kube-apiserver.
  virtual std::optional<User> identify(const tls::Identity* certificate, std::string_view authorization) const;
  // Whoever was identified under another revision is to be identified again.
  virtual std::uint64_t revision() const { return 0; }
  // Also below such a path: /readyz/store.
  bool is_open(std::string_view path) const;

 protected:
  // What stands behind "Bearer "; nothing when it is another scheme.
  static std::optional<std::string_view> bearer_token(std::string_view authorization);

 private:
  using Digest = std::array<unsigned char, 32>;
  // The digest's own bytes are as good a hash as any. That a lookup takes longer for some digests tells nothing
  // about tokens, so comparing is safe in time.
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };
  static Digest digest_of(std::string_view token);

  Options options_;
  std::unordered_map<Digest, User, DigestHash> tokens_;
};

}  // namespace gantry::api
