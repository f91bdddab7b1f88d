// The source tree, as the tidy tests read it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace gantry::tidy {

struct File {
  std::string path;  // from the root of the repository
  std::vector<std::string> lines;
};

inline std::vector<File> files_below(const std::vector<std::string>& folders, const std::vector<std::string>& endings) {
  namespace fs = std::filesystem;
  const fs::path root = GANTRY_SOURCE_DIR;
  std::vector<File> files;
  for (const auto& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      const auto ending = entry.path().extension().string();
      if (std::find(endings.begin(), endings.end(), ending) == endings.end()) continue;
      File file{fs::relative(entry.path(), root).string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

inline std::vector<File> sources() {
  return files_below({"controller", "crds", "providers", "reconcilers"}, {".hpp", ".cpp"});
}

}  // namespace gantry::tidy
