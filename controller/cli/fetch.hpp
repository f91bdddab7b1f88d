// A manifest that lies behind a URL.
#pragma once

#include <string>

#include "controller/cli/context.hpp"

namespace gantry::cli {

// Throws Error when the answer is not 200.
std::string fetch(Context& context, const std::string& url);

}  // namespace gantry::cli
