// Real machines behind an emulated vendor: each has a network namespace with an address of its own, processes of its
// own, and a disk of its own beside the programs of this machine; and each does what its user data says. What cannot be
// had here is a mirror of packages and a registry of images: apt-get notes on the disk what it is asked for, and a
// machine whose disk says docker.io has a Docker, with one image in it, that of a stand-in under the name nginx:1.27.
// The vendor's firewall stands where packets come in from the network, before anything of the machine sees them.
//
// They live on a bridge in the network that the test is in (OwnNetwork), and go with it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/emulators/emulator.hpp"
#include "tests/process/gantry_process.hpp"

namespace gantry::process {

class Machines final : public emulators::Hardware {
 public:
  Machines();
  ~Machines() override;
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  // Why there can be none on this machine; empty: there can, with Docker in them where that is needed, which is tried.
  enum class Needs { Nothing, Docker };
  std::string trouble(Needs needs = Needs::Docker);
  static std::string host_address() { return "10.77.0.1"; }  // this machine, as they see it
  std::size_t running();
  // What was asked of apt-get on its way to this machine's disk, in that order.
  std::vector<std::string> packages(std::int64_t server);
  std::string logs();  // of all that there are, for a test that failed

  std::string start(std::int64_t server, std::int64_t image, const std::string& user_data) override;
  bool runs(std::int64_t server) override;
  void stop(std::int64_t server) override;
  void remove(std::int64_t server) override;
  void keep_image(std::int64_t server, std::int64_t image) override;
  void remove_image(std::int64_t image) override;
  void protect(std::int64_t server, const emulators::Wall& wall) override;

 private:
  struct Machine {
    std::string address;
    std::unique_ptr<Background> process;
  };
  std::string disk(std::int64_t server) const { return folder_ / ("disks/" + std::to_string(server)); }
  std::string image_disk(std::int64_t image) const { return folder_ / ("images/" + std::to_string(image)); }
  static std::string network(std::int64_t server) { return "m" + std::to_string(server); }

  TemporaryFolder folder_;
  std::mutex mutex_;  // the vendor's thread works with them, the test looks at them
  std::map<std::int64_t, Machine> machines_;
  int addresses_ = 1;
  std::string problem_;
};

}  // namespace gantry::process
