// A document read in part: what is passed over is checked, but not built.
#pragma once

#include <array>
#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::json {

// A member of a member of the root: {"metadata", "managedFields"}.
using MemberPath = std::array<std::string_view, 2>;

// As parse(), without what stands at `passed_over`.
Value parse_without(std::string_view text, MemberPath passed_over);

}  // namespace gantry::json
