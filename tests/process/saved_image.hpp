// An image without a registry: the stand-in as nginx:1.27 and nginx:latest, in the file that `docker save` would write.
#pragma once

#include <string>

namespace gantry::process {

// The same image, by the same digest, wherever it is loaded. What went wrong; empty: nothing.
std::string save_image(const std::string& file);

}  // namespace gantry::process
