#include "controller/base/random.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "controller/base/error.hpp"

namespace gantry {
namespace {

void from_kernel(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::Internal, std::string("getrandom: ") + std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

// Fetched ahead, since each created object wants 16 bytes. What was handed out is wiped.
class Pool {
 public:
  void take(std::span<std::uint8_t> bytes) {
    if (left_ < bytes.size()) {
      from_kernel(bytes_);
      left_ = bytes_.size();
    }
    left_ -= bytes.size();
    std::memcpy(bytes.data(), bytes_.data() + left_, bytes.size());
    ::explicit_bzero(bytes_.data() + left_, bytes.size());
  }

 private:
  std::array<std::uint8_t, 512> bytes_{};
  std::size_t left_ = 0;
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    static thread_local Pool pool;
    constexpr std::size_t kPooled = 16;  // a uuid; keys are longer, and are fetched for themselves
    if (bytes.size() <= kPooled) return pool.take(bytes);
    from_kernel(bytes);
  }
};

constexpr std::string_view kHex = "0123456789abcdef";

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

std::uint64_t Random::next() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t bound) {
  if (bound == 0) return 0;
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

std::string Random::uuid() {
  std::array<std::uint8_t, 16> bytes{};
  fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

std::string Random::suffix(std::size_t length) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text;
  while (text.size() < length) text += kAlphabet[below(kAlphabet.size())];
  return text;
}

std::string Random::hex(std::size_t bytes) {
  std::string text;
  while (bytes-- > 0) {
    const auto value = below(256);
    text += kHex[value >> 4];
    text += kHex[value & 15];
  }
  return text;
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    std::memcpy(bytes.data() + i, &z, std::min<std::size_t>(8, bytes.size() - i));
  }
}

}  // namespace gantry
