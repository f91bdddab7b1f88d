// libgit2's side of GitCheckout: what the program "git-work" does, in a process of its own. Every call blocks.
#pragma once

#include <string>

#include "providers/source/git_checkout.hpp"

namespace gantry::providers::source {

class GitRepository {
 public:
  explicit GitRepository(std::string directory) : directory_(std::move(directory)) {}

  // As GitCheckout's, which says what they promise.
  Checkout fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials);
  GitPlace look(const std::string& url, const std::string& ref, const std::string& path,
                const GitCredentials& credentials);
  void write(const GitPlace& place, const std::string& folder);

 private:
  std::string directory_;
};

}  // namespace gantry::providers::source
