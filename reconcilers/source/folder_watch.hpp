// Tells when anything below a folder changes, by inotify: within a millisecond, without polling. On the loop's reactor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/base/reactor.hpp"

namespace gantry::reconcilers::source {

class FolderWatch {
 public:
  // changed is called once for a burst of changes that lie less than a few milliseconds apart. A folder that does not
  // exist yet is waited for by whoever resyncs. Watching too many folders (fs.inotify.max_user_watches) is logged;
  // resync covers it.
  FolderWatch(Reactor& reactor, std::string root, std::function<void()> changed);
  ~FolderWatch();
  const std::string& root() const;
  // False when root could not be watched (it is not there).
  bool watching() const;

 private:
  struct State;
  static Task<> listen(Reactor& reactor, std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace gantry::reconcilers::source
