// A branch, tag or commit of a git repository, as a folder on this machine. libgit2; every call blocks: through
// Blocking only, one at a time for each object.
#pragma once

#include <string>

#include "controller/base/secret.hpp"

namespace gantry::reconcilers::source {

struct GitCredentials {
  std::string username;
  Secret password;         // or a token
  Secret ssh_private_key;  // PEM
};

struct Checkout {
  std::string commit;  // 40 hex digits
  std::string folder;  // holds exactly that commit's files, and never a part of them
};

class GitCheckout {
 public:
  // directory is ours alone: it holds a bare repository and one folder for the newest commit.
  explicit GitCheckout(std::string directory) : directory_(std::move(directory)) {}

  // Fetches and makes ref's folder. ref: a branch, a tag, a full commit id; empty: the remote's default branch.
  // Error(Unavailable): no answer; Error(Unauthorized): credentials refused; Error(NotFound): no such ref. What was
  // checked out before stays untouched then. A url with a password in it is refused: it would be stored and logged.
  Checkout fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials);

 private:
  std::string directory_;
};

}  // namespace gantry::reconcilers::source
