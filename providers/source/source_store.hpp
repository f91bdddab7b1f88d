// Sources on this machine: DIR/releases holds the copies (CodeStore), DIR/git the repositories, DIR/uploads what
// `gantry deploy` sends. Repositories are fetched one at a time each, in the background, when their interval is over.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/code.hpp"
#include "providers/source/archive.hpp"
#include "providers/sources.hpp"

namespace gantry::providers::source {

class SourceStore final : public Sources {
 public:
  SourceStore(Reactor& reactor, Blocking& blocking, std::string folder, ArchiveLimits limits = {});
  ~SourceStore() override;

  // Removes what an earlier process left half done.
  Task<> open();
  // Waits for the fetches that are under way. Nothing may be called afterwards.
  Task<> close();

  Task<CodeFound> look(CodeSource source) override;
  Task<> stage(CodeSource source, std::string digest) override;
  std::string staged(const std::string& digest) const override;
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

  // An archive becomes a copy under the digest of its content, which is the answer. Throws Error as unpack() does.
  Task<std::string> take_in(std::string archive);
  // Removes the copies that nobody names and that are older than that, and repositories that nobody asked for so long.
  Task<> keep_only(std::set<std::string> digests, Duration younger = std::chrono::hours(1));

 private:
  struct Repository;
  struct Place;  // a folder of a ref of a repository
  using PlacePtr = std::shared_ptr<Place>;
  struct Archive {
    std::string identity;
    std::string digest;
  };

  Task<CodeFound> look_at_path(CodeSource source);
  CodeFound look_at_git(const CodeSource& source);
  Task<> refresh(PlacePtr place, CodeSource source, Gate::Pass pass);
  Task<> fetch(PlacePtr place, CodeSource source);
  Task<std::string> stage_folder(std::string folder);
  std::string work_folder();
  void tell(const std::string& owner_uid);

  Reactor& reactor_;
  Blocking& blocking_;
  std::string folder_;
  ArchiveLimits limits_;
  local::CodeStore code_;
  std::map<std::string, Archive> archives_;  // by path
  std::map<std::string, std::shared_ptr<Repository>> repositories_;
  std::map<std::string, PlacePtr> places_;
  std::vector<OnChange> listeners_;
  std::uint64_t works_ = 0;
  Gate gate_;
  log::Logger log_{"sources"};
};

}  // namespace gantry::providers::source
