// The end of a tunnel on a Server: lets the relays of one controller in, and nobody else, and brings each of their
// requests to a port of an instance that runs here, and to nothing else (tunnel_wire.hpp has what is spoken).
//
// A process of its own beside the agent (`gantry tunnel --dir DIR`), which starts it, tells it who runs here, and may
// be killed or replaced meanwhile: requests go on. It gives its place to a newer one as a relay does (relay_place.hpp).
// Its configuration is DIR/tunnel.json at the start, then PUT /config on DIR/control.sock. One reactor's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "controller/base/json.hpp"
#include "controller/base/reactor.hpp"
#include "controller/base/tls.hpp"
#include "providers/relay/tunnel_wire.hpp"

namespace gantry::providers::relay {

struct TunnelConfig {
  std::string certificate;  // PEM: what this end shows
  std::string key;
  std::string authority;                           // PEM: who signs the certificates of the relays that are let in
  std::map<std::string, std::set<int>> instances;  // and their ports on this host
  bool operator==(const TunnelConfig&) const = default;
};
// Throws Error(Invalid).
TunnelConfig read_tunnel_config(const json::Value& json);
json::Value to_json(const TunnelConfig& config);

class TunnelEnd {
 public:
  struct Options {
    Duration handshake = std::chrono::seconds(10);
    Duration connect = std::chrono::seconds(3);  // to an instance
    Duration leave = std::chrono::seconds(30);   // for a relay that was told that we leave
    std::size_t strangers_max = 256;             // connections at a time that have not shown who they are
    std::string program = {};
    int port = 0;
  };
  TunnelEnd(Reactor& reactor, Options options);
  ~TunnelEnd();

  // Another certificate is shown from the next connection on; a relay of an authority that is trusted no more gets no
  // next request. Throws Error(Invalid), and all is as before.
  void configure(TunnelConfig config);
  // {"program", "port", "connections", "requests", "used": HASH}: used is known_by() of the authority whose relays have
  // been here.
  json::Value state() const;
  static std::string known_by(const std::string& authority);

  // Takes over a connected descriptor.
  Task<> serve(int descriptor);
  Task<> serve_control(int descriptor);

  // After the first relay of this authority was let in.
  void on_used(std::function<void(const std::string& hash)> note) { note_ = std::move(note); }
  void was_used(std::string hash) { used_ = std::move(hash); }
  void on_successor(std::function<bool(int connection)> give) { give_ = std::move(give); }
  void on_end(std::function<void()> end) { end_ = std::move(end); }

 private:
  struct Request;
  struct Visitor;
  using VisitorPtr = std::shared_ptr<Visitor>;

  Task<bool> admit(VisitorPtr visitor);
  std::string objection(const tls::Channel& channel) const;
  Task<bool> begin(VisitorPtr visitor, std::string target);
  Task<> listen_to(VisitorPtr visitor);
  static Task<> bring_back(Reactor& reactor, VisitorPtr visitor, std::shared_ptr<Request> request);
  void tell_leaving(const VisitorPtr& visitor);
  Task<> leave(ByteStream& successor, int descriptor);

  Reactor& reactor_;
  Options options_;
  TunnelConfig config_;
  std::shared_ptr<tls::Context> context_;
  std::set<VisitorPtr> visitors_;
  std::size_t strangers_ = 0;
  std::uint64_t requests_ = 0;
  bool leaving_ = false;
  std::string used_;
  std::function<void(const std::string&)> note_;
  std::function<bool(int)> give_;
  std::function<void()> end_;
};

// `gantry tunnel --dir DIR --address ADDRESS --port PORT`. Ends at SIGTERM.
int tunnel_main(int argc, char** argv);

}  // namespace gantry::providers::relay
