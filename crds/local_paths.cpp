#include "crds/local_paths.hpp"

#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace gantry::crds {

void make_paths_absolute(json::Value& manifest, const std::string& folder) {
  if (!manifest.string_or("apiVersion").starts_with("gantry.dev/")) return;
  for (const auto& path :
       {std::initializer_list<std::string_view>{"spec", "source", "code", "path"}, {"spec", "directory", "path"}}) {
    json::Value* value = &manifest;
    for (const auto key : path) value = value ? value->find(key) : nullptr;
    if (!value || !value->is_string() || value->as_string().empty() || value->as_string().starts_with('/')) continue;
    *value = (std::filesystem::path(folder) / value->as_string()).lexically_normal().string();
  }
}

}  // namespace gantry::crds
