// The string formats a schema may demand. Unknown formats are no constraint, as in Kubernetes.
#pragma once

#include <cstdint>
#include <string_view>

namespace gantry::object {

enum class Format : std::uint8_t {
  None,
  Int32,
  Int64,
  Float,
  Byte,
  Date,
  DateTime,
  Duration,
  Ipv4,
  Ipv6,
  Cidr,
  Uri,
  Email,
  Hostname,
  Mac,
  Uuid,
};

Format format_of(std::string_view name);
std::string_view name_of(Format format);
// Formats of numbers say true: their range is checked where numbers are.
bool has_format(std::string_view text, Format format);

}  // namespace gantry::object
