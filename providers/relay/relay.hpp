// The relay stands between Caddy and the instances of Apps, so that a deploy changes nothing in Caddy.
//
// Caddy applies a change by starting its whole configuration anew. Up to version 2.6 that closes every WebSocket of
// every App, and it always closes idle kept-alive connections, on which a request may just be arriving. So Caddy is
// told only what the outside sees (names, certificates, CORS), and one Unix socket to send everything to; who serves
// is decided here, at each request, and changed without touching a byte that is under way.
//
// One connection from Caddy is one request (its keep-alive towards us is off). After the head has been read, bytes go
// through untouched in both directions until one side is done; so WebSockets, streams and uploads are all the same,
// and an instance's open connections are exactly its requests in flight. Beside that the relay limits rates and holds
// requests for a moment while no instance is there.
//
// Instances on another Server are reached through that Server's tunnel (tunnel.hpp), where there is one: once it has
// worked, nothing goes there in plain any more.
//
// It is a process of its own, beside the controller, and lives on without it. Its configuration is a file that is read
// at the start; afterwards PUT /config on its control socket replaces it, GET /state tells what goes on, and POST
// /handover gives its place to a newer one (relay_place.hpp), which counts what is still under way here as its own.
// One reactor's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "controller/base/signal.hpp"
#include "providers/relay/rate_limiter.hpp"
#include "providers/relay/relay_config.hpp"
#include "providers/relay/request_head.hpp"
#include "providers/relay/tunnel.hpp"

namespace gantry {
class ByteStream;
}

namespace gantry::providers::relay {

class Relay {
 public:
  struct Options {
    Duration hold = std::chrono::seconds(10);         // how long a request waits for an instance
    Duration head_time = std::chrono::seconds(10);    // for the whole head
    Duration connect_time = std::chrono::seconds(5);  // to an instance
    Duration avoid = std::chrono::seconds(1);         // an instance that refused a connection, if there are others
    std::size_t waiting_max = 2000;                   // requests that wait at a time
    std::string program = {};                         // program_identity() of what runs
  };

  Relay(Reactor& reactor, Options options);
  explicit Relay(Reactor& reactor) : Relay(reactor, Options{}) {}
  ~Relay();

  void configure(Config config);
  // {"program", "backends": {NAME: {"upstreams": [{"id", "port", "inFlight", "requests", "drainingMillis", "encrypted",
  // "tunnelProblem"}]}}, "tunnels": [{"address", "port", "worked", "problem", "idle", "handshakes", "resumed"}],
  // "rateLimited": n}. Those that were taken off and still have requests in flight are there with drainingMillis. Of
  // the backends whose names begin so.
  json::Value state(std::string_view of = {}) const;

  // Takes over a connected descriptor.
  Task<> serve(int descriptor);
  Task<> serve_control(int descriptor);

  // Asked when a newer relay wants the place; true when it was given. Afterwards nothing new is accepted, and on_end is
  // called after the last request.
  void on_successor(std::function<bool(int connection)> give) { give_ = std::move(give); }
  void on_end(std::function<void()> end) { end_ = std::move(end); }
  // What the relay before has under way, as it tells over this connection, until its end.
  Task<> inherit_from(int connection);
  void inherit(const json::Value& state);

 private:
  struct Instance;
  struct Serving;
  struct Exchange;
  using InstancePtr = std::shared_ptr<Instance>;

  Task<InstancePtr> choose(std::string backend, Instant until);
  InstancePtr best(Serving& serving);
  Task<> exchange(std::shared_ptr<Exchange> x);
  static Task<> pump_up(Reactor& reactor, std::shared_ptr<Exchange> x);
  Task<std::string> control(const RequestHead& head, std::string body);
  Task<> leave(ByteStream& successor, int descriptor);
  bool inherits() const;
  void use_tunnels(const Config& config);
  std::shared_ptr<Tunnel> tunnel_of(const Upstream& upstream) const;
  std::shared_ptr<Line> line_to(const Instance& instance);
  static bool encrypts(const Tunnel& tunnel) { return tunnel.worked() || tunnel.way().required; }
  json::Value tunnels_json() const;

  Reactor& reactor_;
  Options options_;
  Config config_;
  std::vector<std::shared_ptr<Tunnel>> tunnels_;
  std::map<std::string, Serving> serving_;  // by backend
  Signal changed_;
  RateLimiter limiter_;
  std::size_t waiting_ = 0;
  std::uint64_t limited_ = 0;
  std::uint64_t turn_ = 0;
  int open_ = 0;  // connections from Caddy
  std::function<bool(int)> give_;
  std::function<void()> end_;
};

// What changes when another binary is put in its place; empty when there is none at that path.
std::string program_identity(const std::string& path);

// `gantry relay --dir DIR`: DIR/relay.json is its configuration, DIR/relay.sock and DIR/control.sock are its sockets,
// DIR/relay.lock keeps a second one away. Ends at SIGTERM.
int relay_main(int argc, char** argv);

}  // namespace gantry::providers::relay
