// SHA-256, whole or piece by piece, as lower case hex.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace gantry {

std::string to_hex(std::span<const unsigned char> bytes);

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void add(std::string_view bytes);
  // Once, and the last call.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);
std::string hmac_sha256_hex(std::string_view key, std::string_view message);

}  // namespace gantry
