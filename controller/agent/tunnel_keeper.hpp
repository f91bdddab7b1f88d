// Keeps the end of this host's tunnel running (providers/relay/tunnel_end.hpp) once a controller has said whose relays
// are to be let in, and tells it who runs here. The end is a process of its own beside the instances, in a folder of
// its own, and goes on without us; afterwards it is found again. On the reactor.
//
//   DIR/trust.pem    the authority of the controller that this host belongs to: whoever had the agent's key last
//   DIR/tunnel.json  what the end starts with (0600)
#pragma once

#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/json.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/signal.hpp"
#include "controller/base/unix_transport.hpp"
#include "providers/local/kept_process.hpp"
#include "providers/local/process_host.hpp"

namespace gantry::agent {

class TunnelKeeper {
 public:
  struct Options {
    std::string folder;
    std::string address;         // to listen on
    int port = 0;                // 0: any
    pki::Credential credential;  // what the end shows: the agent's own
  };
  // `host` runs what may be reached through the tunnel.
  TunnelKeeper(Reactor& reactor, Blocking& blocking, providers::WorkloadHost& host, Options options);

  // Goes on as it was told before. Once, before anything else.
  Task<> open();
  // The end goes on.
  Task<> close();

  // From now on relays of that authority (PEM) are let in, and no others. {"port", "used", "problem"}: where the end
  // listens; whether one of them was here before; why it does not run. Throws Error(Invalid).
  Task<json::Object> let_in(std::string authority);

 private:
  Task<> keep(Gate::Pass pass);
  Task<> settle();
  Task<> bring_up();
  Task<std::string> configuration();
  Task<> tell(std::string text);

  Reactor& reactor_;
  Blocking& blocking_;
  providers::WorkloadHost& host_;
  Options options_;
  providers::local::PortBook ports_;  // its own programs take none
  providers::local::ProcessHost own_;
  providers::local::KeptProcess end_;
  http::UnixTransport control_;
  std::string authority_;
  std::string written_;  // to tunnel.json
  std::string told_;     // to the one that runs, and which that is
  std::string problem_;
  int port_ = 0;
  bool renewed_ = false;
  bool settling_ = false;
  bool closing_ = false;
  bool news_ = false;
  Signal settled_;
  Signal wake_;
  Gate gate_;
};

}  // namespace gantry::agent
