// CRC-32C (Castagnoli), by the CPU's instruction where there is one.
#pragma once

#include <cstdint>
#include <string_view>

namespace gantry::store {

// Chain pieces by passing what the call before returned.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace gantry::store
