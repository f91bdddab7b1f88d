// A network of the test's own: loopback alone, every port free, names that lead there. For what must be on port 80 and
// under a name, as a certificate authority demands. What is started from this thread while it exists is in it too.
#pragma once

#include <string>
#include <vector>

namespace gantry::process {

class OwnNetwork {
 public:
  // `names` lead to 127.0.0.1.
  explicit OwnNetwork(const std::vector<std::string>& names);
  ~OwnNetwork();
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

  // Why there is none, in a container without the right to make one, say. Empty: there is.
  const std::string& trouble() const { return trouble_; }

 private:
  // Those of before, and where they were looked from: entering a mount namespace leads out of a chroot.
  int network_ = -1;
  int mounts_ = -1;
  int root_ = -1;
  int folder_ = -1;
  std::string trouble_;
};

}  // namespace gantry::process
