// Kubernetes quantities: "500m", "1.5", "1Gi", "20k", "1e3". Exact within what is asked for; rounded up, as Kubernetes
// does, when a quantity is finer than that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::object {

// In thousandths: CPUs, rates. Throws Error(Invalid) saying what is accepted.
std::int64_t parse_milli(std::string_view text);
// In whole units: bytes, counts.
std::int64_t parse_units(std::string_view text);
// A number or a string, as int-or-string fields hold them.
std::int64_t milli_of(const json::Value& quantity);
std::int64_t units_of(const json::Value& quantity);
// False for what is no quantity.
bool is_quantity(std::string_view text);

// 1500 -> "1500m", 2000 -> "2".
std::string format_milli(std::int64_t milli);
// 1073741824 -> "1Gi", 1000 -> "1k", else the plain number.
std::string format_bytes(std::int64_t bytes);

}  // namespace gantry::object
