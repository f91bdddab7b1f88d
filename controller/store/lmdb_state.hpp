// The state record: written with every commit, in a page that the commit changes anyway. It says how many rows there
// must be and what they add up to: LMDB has no checksums of its own, and a lost page would else be a silent loss of
// rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controller/store/crc32c.hpp"
#include "controller/store/engine.hpp"

namespace gantry::store {

inline constexpr std::uint64_t kStateMagic = 0x6274732d746e6167;  // "gant-stb"
inline constexpr std::uint32_t kStateVersion = 1;
inline constexpr const char* kStateKey = "state";
inline constexpr const char* kRowsTable = "rows";

struct StateRecord {
  std::uint64_t magic = kStateMagic;
  std::uint32_t version = kStateVersion;
  std::uint32_t reserved = 0;
  std::uint64_t transaction = 0;  // LMDB's number of the commit that wrote it
  Counters counters;
  std::uint64_t rows = 0;
  std::uint64_t digest = 0;  // the sum of digest_of() over all rows
  std::uint32_t reserved2 = 0;
  std::uint32_t crc = 0;

  std::uint32_t expected_crc() const {
    return crc32c(std::string_view(reinterpret_cast<const char*>(this), offsetof(StateRecord, crc)));
  }
};
static_assert(sizeof(StateRecord) == 72);

// Order does not matter to a sum, so rows may come and go.
inline std::uint64_t digest_of(Revision revision, std::uint32_t checksum) {
  std::uint64_t z = revision * 0x9e3779b97f4a7c15ULL + checksum;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace gantry::store
