// A cloud that exists only in a test, behind the real seam: stateful, slow, forgetful for a moment about what it has
// just made, and it does not stop anybody from making a twin, so that a test can see one. It outlives every controller;
// each controller's calls pass its Lifeline.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "providers/provider.hpp"
#include "tests/world/faults.hpp"

namespace gantry::reconcilers {

struct MemoryCloud {
  explicit MemoryCloud(const Clock& clock);

  // How long things take.
  Duration boot = std::chrono::seconds(30);
  Duration addressing{};  // how long a server runs until it has its address
  Duration removal = std::chrono::seconds(4);
  Duration action = std::chrono::seconds(6);
  Duration imaging = std::chrono::seconds(40);
  Duration build = std::chrono::minutes(3);   // of a builder, until it goes off by itself
  Duration hidden = std::chrono::seconds(5);  // a new server is not listed for so long
  bool builds_fail = false;                   // then a builder never goes off
  bool starts_itself = true;                  // else a server that was made waits to be started

  providers::Capabilities can;
  providers::Catalogue catalogue;
  std::optional<providers::RateLimit> rate;
  std::string account_problem;
  // The listing leaves out every server.
  bool blind = false;
  // The next calls of that name fail so, without an effect.
  std::map<std::string, std::deque<Error>> refusals;

  struct Machine {
    providers::CloudServer server;
    std::string user_data;
    std::vector<std::string> ssh_keys;
    Instant made{};
    Instant busy_until{};
    providers::CloudServer::State next = providers::CloudServer::State::Running;  // once it is not busy
    bool builds = false;                                                          // it goes off by itself
    Instant off_at{};
    Instant running_since{};
    bool built = false;
    bool going = false;
  };
  struct Picture {
    providers::CloudImage image;
    Instant done_at{};
    std::string copying_to;
    Instant copied_at{};
  };
  std::map<std::string, Machine> machines;
  std::map<std::string, Picture> images;
  std::map<std::string, providers::CloudFirewall> firewalls;
  std::map<std::string, providers::ReservedAddress> addresses;  // by id
  std::vector<std::string> networks{"backend"};
  std::map<std::string, int> calls;
  std::vector<std::string> log;  // what was changed: "create web-1", ...

  // Somebody else's server.
  std::string add_stranger(const std::string& name, const std::string& size);
  // Brings everything up to now.
  void pass_time();
  std::vector<std::string> names();           // of servers, sorted; those on their way out left out
  std::vector<std::string> image_contents();  // of those that are ours, sorted
  Machine* find(const std::string& name);

  const Clock& clock;
  int last_id = 0;
};

// One controller's way to it.
std::unique_ptr<providers::Provider> connect(MemoryCloud& cloud, world::Lifeline& line);

}  // namespace gantry::reconcilers
