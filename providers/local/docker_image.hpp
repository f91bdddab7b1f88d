// Images of this machine's Docker.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/blocking.hpp"
#include "providers/local/docker_engine.hpp"

namespace gantry::providers::local {

// "nginx", "nginx:1.27", "ghcr.io/x/y@sha256:...": what POST /images/create wants.
struct ImageName {
  std::string from;  // with the digest, if there is one
  std::string tag;   // empty with a digest
};
// Throws Error(Invalid).
ImageName parse_image(std::string_view reference);
// The error in the progress report of a pull or an import; empty: it succeeded.
std::string pull_error(std::string_view progress);

// The digest of an image that is here, as ensure_image() says it; empty when it is not.
Task<std::string> find_image(DockerEngine& engine, std::string reference);
// Pulls the image when it is not here. The registry's digest ("nginx@sha256:...") when it is known, else that of the
// image as it is here ("sha256:..."). Error(NotFound) when there is none.
Task<std::string> ensure_image(DockerEngine& engine, std::string reference);

}  // namespace gantry::providers::local
