// Where the code of Apps comes from, and the copies of it that releases run: a folder or an archive on this machine,
// an upload, a folder of a git repository. Whichever it is, it ends as one digest of its content and one copy under
// that digest, so that all that follows is the same for each. On the loop's reactor.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/base/task.hpp"
#include "providers/source/git_checkout.hpp"

namespace gantry::providers {

struct CodeSource {
  enum class Kind { Path, Upload, Git };
  Kind kind = Kind::Path;
  std::string path;    // Path: a folder, or a tar, tar.gz or zip; Git: the folder in the repository
  std::string upload;  // Upload: the digest that the upload was answered with
  // Git
  std::string url;
  std::string ref;    // branch, tag or commit; empty: the default branch
  std::string scope;  // what was fetched with other credentials lies apart
  source::GitCredentials credentials;
  Duration interval = std::chrono::minutes(1);
  std::string ask;  // a text that differs from the last one asks for a fetch now

  std::string owner_uid;  // who is told of a change
};

struct CodeFound {
  std::string digest;    // "sha256:<hex>" of the content; empty: not known
  std::string revision;  // Git: the commit
  bool staged = false;   // there is a copy
  bool fetching = false;
  // Why it cannot be had. With a digest: the newest try failed, and what was found before still holds.
  std::string problem;
  std::optional<Duration> look_again;
};

class Sources {
 public:
  virtual ~Sources() = default;

  // Does not wait for the network: what takes long goes on in the background, and a change is told.
  virtual Task<CodeFound> look(CodeSource source) = 0;
  // There is a whole copy under the digest afterwards, or none. Error(Conflict): the source is another one by now.
  virtual Task<> stage(CodeSource source, std::string digest) = 0;
  // Where the copy lies; empty when there is none.
  virtual std::string staged(const std::string& digest) const = 0;

  using OnChange = std::function<void(const std::string& owner_uid)>;
  virtual void on_change(OnChange callback) = 0;
};

}  // namespace gantry::providers
