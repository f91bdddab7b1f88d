// A folder of manifests, read into documents. Files that did not change since the last reading are not read again.
// Every call blocks: through Blocking only. Not shared between threads at the same time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"

namespace gantry::reconcilers::source {

struct Identity {
  std::string api_version;
  std::string kind;
  std::string ns;  // as written; empty: the Source's
  std::string name;
  auto operator<=>(const Identity&) const = default;
};

struct Manifest {
  Identity identity;
  std::string file;      // from the tree's root
  std::size_t line = 0;  // of the document
  std::string text;      // canonical JSON
  std::string hash;      // of text
};

struct Broken {
  std::string file;
  std::size_t line = 0;
  std::string message;
};

struct Tree {
  std::vector<Manifest> manifests;
  std::vector<Broken> broken;
  // Nobody can say what a broken document used to hold, so while there is one nothing may be pruned.
  bool complete() const { return broken.empty(); }
  std::string digest;  // of everything that was read
};

class ManifestTree {
 public:
  // Reads *.yaml, *.yml and *.json below root, but nothing below a name that begins with a dot and no file above the
  // limit. Error(NotFound) or Error(Forbidden) when root cannot be read. Symbolic links out of root are not followed.
  Tree read(const std::string& root);

 private:
  struct Stamp {
    std::int64_t modified_ns = 0;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct File {
    Stamp stamp;
    std::vector<Manifest> manifests;
    std::vector<Broken> broken;
  };
  static File read_file(const std::string& root, const std::string& relative, Stamp stamp);

  std::string root_;
  std::map<std::string, File> files_;  // by path from root
};

}  // namespace gantry::reconcilers::source
