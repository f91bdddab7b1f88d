// A hypervisor for real: an LXD of the test's own, with a bridge, a storage pool and one small image, all of which are
// gone afterwards, the rules that it leaves in iptables included.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {

class LxdDaemon {
 public:
  // Why a test that needs it cannot run on this machine; empty: it can.
  static std::string missing();

  // Throws std::runtime_error when the daemon does not come up.
  LxdDaemon();
  ~LxdDaemon();
  LxdDaemon(const LxdDaemon&) = delete;
  LxdDaemon& operator=(const LxdDaemon&) = delete;

  std::string endpoint() const { return "unix://" + socket(); }
  const std::string& host_address() const { return host_address_; }  // this machine, as its containers see it
  // The answer's metadata; waits for the operation where there is one.
  json::Value call(const std::string& method, const std::string& path, const std::string& body = {}) const;
  std::vector<std::string> instances() const;  // names, sorted
  std::size_t images_of_ours() const;          // those that carry an owner's mark
  std::string read_file(const std::string& instance, const std::string& path) const;  // empty: there is none

 private:
  std::string socket() const { return folder_ / "lxd/unix.socket"; }
  void import_image() const;
  void remove_rules() const;

  TemporaryFolder folder_;
  std::string bridge_;
  std::string host_address_;
  std::unique_ptr<Background> daemon_;
};

}  // namespace gantry::process
