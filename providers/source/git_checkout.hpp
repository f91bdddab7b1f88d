// A branch, tag or commit of a git repository, as a folder on this machine. Each call runs in a process of its own
// (git_work.hpp) and blocks: through Blocking only, one at a time for each object.
#pragma once

#include <string>

#include "controller/base/clock.hpp"
#include "controller/base/secret.hpp"

namespace gantry::providers::source {

struct GitCredentials {
  std::string username;
  Secret password;         // or a token
  Secret ssh_private_key;  // PEM
};

struct Checkout {
  std::string commit;  // 40 hex digits
  std::string folder;  // holds exactly that commit's files, and never a part of them
};

// One folder of a commit.
struct GitPlace {
  std::string commit;
  std::string tree;  // changes when something below the folder does, and only then
};

class GitCheckout {
 public:
  // directory is ours alone: it holds a bare repository and one folder for the newest commit.
  // limit: of one call; then Error(Timeout), and the next call begins anew.
  explicit GitCheckout(std::string directory, Duration limit = std::chrono::minutes(10))
      : directory_(std::move(directory)), limit_(limit) {}

  // Fetches and makes ref's folder. ref: a branch, a tag, a full commit id; empty: the remote's default branch.
  // Error(Unavailable): no answer; Error(Unauthorized): credentials refused; Error(NotFound): no such ref. What was
  // checked out before stays untouched then. A url with a password in it is refused: it would be stored and logged.
  Checkout fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials);

  // Fetches, and says what `path` (empty: the root) of ref is now. Errors as fetch(), and Error(NotFound) when the
  // commit has no such folder.
  GitPlace look(const std::string& url, const std::string& ref, const std::string& path,
                const GitCredentials& credentials);
  // Writes the files of a place that was looked at into `folder`, which must not exist. What is written is whole, or
  // nothing is.
  void write(const GitPlace& place, const std::string& folder);

 private:
  std::string directory_;
  Duration limit_;
};

}  // namespace gantry::providers::source
