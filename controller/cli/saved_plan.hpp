// A plan in a file: what was declared, and the revision of each object that the plan was made for.
#pragma once

#include <string>
#include <vector>

#include "controller/cli/manifest.hpp"

namespace gantry::cli {

// live: the resourceVersion of each manifest's object when the plan was made; empty: it did not exist.
void save_plan(Context& context, const std::string& file, const std::vector<Manifest>& manifests,
               const std::vector<std::string>& live);

// The manifests of the plan. Throws Error(Forbidden) when the plan is for another server, or any object has moved.
std::vector<Manifest> manifests_of_plan(Context& context, const std::string& file);

}  // namespace gantry::cli
