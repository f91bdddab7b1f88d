// What an attempt knows of an App's source and of what is made of it. Private to this folder.
#pragma once

#include <optional>
#include <string>

#include "providers/builder.hpp"
#include "providers/sources.hpp"

namespace gantry::reconcilers::app {

struct SourceSeen {
  std::optional<providers::CodeSource> code;  // absent: an image
  std::string revision;                       // the commit
  std::string words;                          // for people: a path, a URL, an image
  bool staged = false;
  bool fetching = false;
  std::string fetch_problem;  // the newest try failed; what was found before holds

  // Something has to be made of it (an image pulled or built, a build command run) before a release can be.
  bool builds = false;
  providers::BuildSpec build;
  providers::BuildState built;
  std::optional<Duration> look_again;
};

}  // namespace gantry::reconcilers::app
