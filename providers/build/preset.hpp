// Dockerfiles for code that brings none. What is generated depends on the code alone, names its base image, runs as
// somebody who is not root, and asks after its own health with what the image has (never curl). Blocks; reads a few
// files of the folder, and no link.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/builder.hpp"

namespace gantry::providers::build {

struct Recipe {
  std::string preset;      // node, python, go, static, vite; empty: the code's own Dockerfile
  std::string dockerfile;  // the text, when it is not a file of the context
  std::string path;        // its path in the context otherwise
  std::string why;         // for people: "package.json has a start script"
};

// Error(Invalid) when nothing fits, saying what was looked for and what to do.
Recipe recipe_for(const BuildSpec& spec);

// The name of the file that decides whether dependencies have to be installed again; empty: none.
std::string lockfile_of(const std::string& folder);
// For runtime process: the build command when the user gives none; empty: nothing to build.
std::string default_command(const BuildSpec& spec);

}  // namespace gantry::providers::build
