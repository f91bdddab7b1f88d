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

  // Throws std::runtime_error when it does not do what it should.
  LxdDaemon();
  ~LxdDaemon();
  LxdDaemon(const LxdDaemon&) = delete;
  LxdDaemon& operator=(const LxdDaemon&) = delete;

  // Why no container runs here though everything is installed, in the daemon's words; empty: they run.
  const std::string& trouble() const { return trouble_; }
  // Makes Debian 12 with systemd, cloud-init and Docker known as debian-12, and lets containers have containers. It is
  // made once in a build directory. Why it cannot be had; empty: it is there.
  std::string add_debian();
  std::string endpoint() const { return "unix://" + socket(); }
  const std::string& host_address() const { return host_address_; }  // this machine, as its containers see it
  // The answer's metadata, or the operation's, for which it waits.
  json::Value call(const std::string& method, const std::string& path, const std::string& body = {}) const;
  std::vector<std::string> instances() const;  // names, sorted
  std::size_t images_of_ours() const;          // those that carry an owner's mark
  std::string read_file(const std::string& instance, const std::string& path) const;  // empty: there is none

 private:
  std::string socket() const { return folder_ / "lxd/unix.socket"; }
  bool comes_up();
  void import_image() const;
  void import(const std::string& file, const std::string& alias) const;
  void try_a_container();
  void remove_rules() const;

  TemporaryFolder folder_;
  std::string bridge_;
  std::string host_address_;
  std::string trouble_;
  std::unique_ptr<Background> daemon_;
};

}  // namespace gantry::process
