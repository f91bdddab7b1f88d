// The whole of `gantry agent`: opens the host (what runs is found again), serves the agent's API, and ends cleanly at
// SIGTERM. Instances go on without it. One thread, and a few beside it for what blocks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"

namespace gantry::agent {

struct AgentOptions {
  std::string data_dir;
  std::string listen = "0.0.0.0:9999";  // ADDRESS:PORT; port 0: any
  std::optional<int> tunnel_port;       // where the tunnel ends; absent: beside the agent's own
  bool http = false;                    // plain HTTP: for a private network, and for whoever knows why
  std::string key_file;                 // empty: DIR/agent.key
  std::string certificate_file;         // PEM; empty: one of its own, in DIR/pki
  std::string certificate_key_file;
  std::string docker_socket = "/var/run/docker.sock";
  std::string version;
  Duration shutdown_grace = std::chrono::seconds(10);
  bool launched = false;  // by a launcher, which can try a new binary
};

class AgentProcess {
 public:
  // Makes what a first start needs. Throws Error with what to do.
  explicit AgentProcess(AgentOptions options);
  ~AgentProcess();

  // Blocks. The exit code.
  int run();

 private:
  struct House;
  std::unique_ptr<House> house_;
};

}  // namespace gantry::agent
