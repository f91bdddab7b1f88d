// The files of crds/, compiled into the binary: the only definition of the API.
#pragma once

#include <span>
#include <string_view>

namespace gantry::crds {

struct EmbeddedFile {
  std::string_view name;  // such as "crds/app.yaml"
  std::string_view text;  // its one document, as JSON
};

std::span<const EmbeddedFile> embedded_files();

}  // namespace gantry::crds
