#include "tests/process/own_network.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

bool raise_loopback() {
  const int descriptor = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  const bool up = ::ioctl(descriptor, SIOCSIFFLAGS, &request) == 0;
  ::close(descriptor);
  return up;
}

}  // namespace

OwnNetwork::OwnNetwork(const std::vector<std::string>& names)
    : network_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)),
      mounts_(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)),
      root_(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)),
      folder_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  std::string hosts = "127.0.0.1 localhost";
  for (const auto& name : names) hosts += " " + name;
  TemporaryFolder folder;
  write(folder / "hosts", hosts + "\n");
  // Private, so that the other /etc/hosts is seen by nobody else and goes with the last of ours.
  const bool made =
      ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
      ::mount((folder / "hosts").c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0 && raise_loopback();
  if (!made) trouble_ = std::string("a network of its own cannot be made here: ") + std::strerror(errno);
}

OwnNetwork::~OwnNetwork() {
  bool back = ::setns(mounts_, CLONE_NEWNS) == 0 && ::setns(network_, CLONE_NEWNET) == 0;
  back = ::fchdir(root_) == 0 && ::chroot(".") == 0 && ::fchdir(folder_) == 0 && back;
  EXPECT_TRUE(back || !trouble_.empty()) << "the tests that follow are in another network: " << std::strerror(errno);
  for (const int before : {mounts_, network_, root_, folder_}) ::close(before);
}

}  // namespace gantry::process
