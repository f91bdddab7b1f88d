// A relative folder in a manifest (an App's code, a Source's directory) means: beside the manifest. Whoever reads a
// manifest from a file says so before it is sent; the controller's own working directory is nobody's business.
#pragma once

#include <string>

#include "controller/base/json.hpp"

namespace gantry::crds {

// folder: where the manifest's file lies, absolute.
void make_paths_absolute(json::Value& manifest, const std::string& folder);

}  // namespace gantry::crds
