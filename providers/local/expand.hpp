// $(NAME) in a command line, as Kubernetes expands it in `command` and `args`: by the instance's environment; $$ is a
// dollar sign, and what names no variable stays as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gantry::providers::local {

// environment: lines of NAME=value.
std::string expand(std::string_view text, const std::vector<std::string>& environment);

}  // namespace gantry::providers::local
