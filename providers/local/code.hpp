// The source folders of Apps: their digest, and a copy for each release, so that editing the folder does not change
// what runs. What .gantryignore (or else .dockerignore) names is left out, and .git always.
//
// .gantryignore reads like .gitignore: "#" comments, "*" "?" "**", a leading "/" ties to the top, a trailing "/" means
// folders only, "!" takes back; a name without a slash is meant at every depth. In .dockerignore every pattern is tied
// to the top, as Docker has it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/blocking.hpp"

namespace gantry::providers::local {

class IgnoreRules {
 public:
  // Reads the folder's own file.
  static IgnoreRules of_folder(const std::string& folder);
  void add(std::string_view line, bool tied_to_top);
  // `path` is relative, without a leading slash. The last rule that matches decides.
  bool ignores(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    std::string pattern;
    bool take_back = false;
    bool folders_only = false;
  };
  std::vector<Rule> rules_;
};

struct CodeLimits {
  std::size_t files = 50'000;
  std::int64_t bytes = 2LL << 30;
};

// One thing in a code folder that is not ignored.
struct CodeEntry {
  enum class Kind { Folder, File, Link };
  std::string path;  // relative
  Kind kind = Kind::File;
  bool executable = false;
  std::int64_t size = 0;
};
// Parents before children, in an order that depends on names alone. Blocks; errors as source_digest().
std::vector<CodeEntry> code_entries(const std::string& folder, CodeLimits limits = {});

// The folder without what is ignored; `to` is made. Blocks; errors as source_digest(), and Unavailable for a full disk.
void copy_code(const std::string& from, const std::string& to);

// Content hashes of files that have not changed since they were last read.
struct DigestCache;

// "sha256:<hex>" of names, kinds, executable bits and content; not of times and owners, so every checkout of the same
// commit has the same. Blocks. Error(NotFound): no such folder; TooLarge: beyond the limits, saying where the most
// lies.
std::string source_digest(const std::string& folder, DigestCache* cache = nullptr, CodeLimits limits = {});

// The copies, in DIR/releases/<digest>. On one reactor's thread.
class CodeStore {
 public:
  CodeStore(Reactor& reactor, Blocking& blocking, std::string folder);
  ~CodeStore();

  Task<std::string> digest(std::string path);
  // Empty when there is no copy.
  std::string staged(const std::string& digest) const;
  // There is a whole copy afterwards, or none. Error(Conflict): the folder has another digest by now.
  Task<> stage(std::string path, std::string digest);
  // Removes all other copies that are older than that, and what an interrupted copy left.
  Task<> keep_only(std::set<std::string> digests, Duration younger = Duration::zero());

 private:
  std::string place_of(const std::string& digest) const;

  Reactor& reactor_;
  Blocking& blocking_;
  std::string folder_;
  std::map<std::string, std::shared_ptr<DigestCache>> caches_;  // by source; taken out while in use
  std::uint64_t drafts_ = 0;
};

}  // namespace gantry::providers::local
