// The version of the program; the same as project() in CMakeLists.txt (a test compares them).
#pragma once

#include <string_view>

namespace gantry::cli {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace gantry::cli
