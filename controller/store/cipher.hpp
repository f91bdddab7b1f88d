// Encryption at rest: AES-256-GCM with a random nonce for every row. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "controller/base/random.hpp"

namespace gantry::store {

class Cipher {
 public:
  static constexpr std::size_t kKeyBytes = 32;

  Cipher(std::string_view key, Random& random);
  ~Cipher();
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  // Says which key it is without saying anything about it; never 0.
  std::uint64_t id() const { return id_; }

  // Appends nonce, ciphertext and tag. `context` is bound to it: open() must be given the same.
  void seal(std::string& out, std::string_view plain, std::string_view context) const;
  // Throws Error(Internal) when it was not sealed by this key, in this context, or has been changed.
  std::string open(std::string_view sealed, std::string_view context) const;

 private:
  std::array<unsigned char, kKeyBytes> key_{};
  std::uint64_t id_ = 0;
  Random& random_;
};

// The key in `path`, 64 hex digits. Throws Error(Invalid), with what to do, when the file is malformed or others than
// its owner may read it. When it is absent: makes one (0600, synced) if may_create, else throws too.
std::unique_ptr<Cipher> cipher_from_file(const std::string& path, bool may_create, Random& random);

}  // namespace gantry::store
