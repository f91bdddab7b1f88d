// Who may speak to an agent: whoever has its key, or, while a rotation goes on, one of the keys before it. Compared in
// constant time, and by digest, so that neither a key's content nor its length shows in how long the answer takes.
//
// The file (0600) has one key a line, the current one first; one that is on its way out says until when it opens:
//   e21f20fbce845189dee86d1c586f200e
//   ea53868742b45ae19ed001c8334939ff until 2026-11-21T10:00:00Z
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/api/authenticator.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/random.hpp"

namespace gantry::agent {

class AgentKeys final : public api::Authenticator {
 public:
  // Makes the file with a key of its own when there is none. Throws Error(Forbidden) when others can read it,
  // Error(Invalid) naming the line. Blocks, as rotate() does.
  AgentKeys(std::string path, Clock& clock, Random& random);

  std::string_view header() const override { return "x-api-key"; }
  std::optional<api::User> identify(const tls::Identity* certificate, std::string_view key) const override;
  // Changes when a key comes, and when one's time is over.
  std::uint64_t revision() const override;

  // From now on `key` is the current one; the others open for `overlap` more at most. The file says so before it
  // returns. The current key again changes nothing. Throws Error(Invalid) for one that is too short to be a secret.
  void rotate(const std::string& key, Duration overlap);
  // A digest that tells nothing about the text to whoever does not have the current key.
  std::string keyed(std::string_view text) const;
  std::size_t accepted() const;  // keys that open now

 private:
  struct Key {
    std::string text;
    std::string digest;
    std::optional<WallTime> until;
  };
  static Key make(std::string text, std::optional<WallTime> until);
  void read(std::string_view text);
  void write() const;
  bool opens(const Key& key) const { return !key.until || clock_.wall() < *key.until; }

  std::string path_;
  Clock& clock_;
  std::vector<Key> keys_;
  std::uint64_t rotations_ = 0;
};

}  // namespace gantry::agent
