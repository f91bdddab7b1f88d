// A cloud to play with by hand: a vendor emulated on a real port, with real machines behind it, and a Docker to build
// images with beside the controller. All of it is in a network of its own, which the command shares and which ends with
// the command:
//
//     # build/release/tests/cloud digitalocean|hetzner [command...]        (else a shell)
//
// The command finds in its environment CLOUD_URL and CLOUD_TOKEN (endpoint and credentials of a Provider), CLOUD_HOST
// (this machine's address as the machines see it, for --advertise) and DOCKER_SOCKET (for --docker-socket).
#include <unistd.h>

#include <iostream>

#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/hetzner.hpp"
#include "tests/process/real_cloud.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;

int give_up(const std::string& why) {
  std::cerr << "cloud: " << why << "\n";
  return 1;
}

template <class Vendor>
int play(std::vector<std::string> command) {
  process::RealCloud<Vendor> cloud({.create = 2s,
                                    .remove = 1s,
                                    .power = 1s,
                                    .snapshot = 2s,
                                    .transfer = 2s,
                                    .small = 200ms,
                                    .script = 2s,
                                    .visible = 2s});
  if (!cloud.trouble().empty()) return give_up(cloud.trouble());
  const std::map<std::string, std::string> environment{{"CLOUD_URL", cloud.url()},
                                                       {"CLOUD_TOKEN", cloud.token()},
                                                       {"CLOUD_HOST", process::Machines::host_address()},
                                                       {"DOCKER_SOCKET", cloud.docker_socket()}};
  for (const auto& [name, value] : environment) {
    std::cout << name << "=" << value << "\n" << std::flush;
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> words;
  for (auto& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::cout << "calls: " << cloud.there([](Vendor& vendor) { return vendor.log().size(); }) << "\n";
  for (const auto& breach : cloud.there([](Vendor& vendor) { return vendor.breaches(); }))
    std::cout << "against the vendor's description: " << breach << "\n";
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace
}  // namespace gantry

int main(int count, char** words) {
  std::vector<std::string> all(words + 1, words + count);
  const std::string vendor = all.empty() ? "" : all.front();
  if (!all.empty()) all.erase(all.begin());
  if (all.empty()) all = {std::getenv("SHELL") ? std::getenv("SHELL") : "/bin/sh"};
  if (vendor == "digitalocean") return gantry::play<gantry::emulators::DigitalOcean>(all);
  if (vendor == "hetzner") return gantry::play<gantry::emulators::Hetzner>(all);
  return gantry::give_up("usage: cloud digitalocean|hetzner [command...]");
}
