// Two Apps that ask for the same route: pure. The older one has it, by creation and then by uid, so that the outcome is
// the same in whichever order they arrive and after a restart.
#pragma once

#include <optional>
#include <string>

#include "providers/router.hpp"

namespace gantry::providers::caddy {

bool is_older(const AppRoutes& a, const AppRoutes& b);

// Why both cannot be served, in words for whoever wants `mine`; nothing when they can.
std::optional<std::string> find_conflict(const AppRoutes& mine, const AppRoutes& theirs);

// Takes from `theirs` what conflicts with `mine`; true when something did.
bool yield_rules(AppRoutes& theirs, const AppRoutes& mine);

}  // namespace gantry::providers::caddy
