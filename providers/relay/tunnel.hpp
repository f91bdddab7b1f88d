// A relay's side of the way to one Server: connections under TLS to the tunnel's end there (tunnel_end.hpp), where both
// sides show who they are; kept for the next request. One of them is made before any request needs it, so that whether
// the way is open is known by then. One reactor's thread; held by shared_ptr.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "controller/base/signal.hpp"
#include "controller/base/tls.hpp"
#include "providers/relay/line.hpp"
#include "providers/relay/relay_config.hpp"
#include "providers/relay/tunnel_wire.hpp"

namespace gantry::providers::relay {

// The user that the certificates of relays are of; whoever else has one of the same authority is not let in.
inline constexpr std::string_view kRelayUser = "gantry-relay";

class Tunnel : public std::enable_shared_from_this<Tunnel> {
 public:
  struct Options {
    Duration dial = std::chrono::seconds(5);    // connecting and both handshakes
    Duration retry = std::chrono::seconds(3);   // after a failure
    Duration spare = std::chrono::seconds(60);  // how long more than one connection is kept unused
  };
  Tunnel(Reactor& reactor, std::string address, TunnelWay way, Options options);

  // What this relay shows from now on; connections that are in use go on. Throws Error(Invalid).
  void show(const RelayIdentity& identity);
  // Call once.
  void open();
  // From now on it has worked before.
  void require() { way_.required = true; }
  // Requests under way go on.
  void close();

  // A line to a port of an instance there.
  std::unique_ptr<Line> line(const std::string& instance, int port);

  bool worked() const { return worked_; }
  // Why it does not work at the moment; empty when it does, or when it has not been tried yet.
  const std::string& problem() const { return problem_; }
  const std::string& address() const { return address_; }
  const TunnelWay& way() const { return way_; }
  std::size_t idle() const { return idle_.size(); }
  std::uint64_t handshakes() const { return handshakes_; }
  std::uint64_t resumed() const { return resumed_; }

 private:
  friend class TunnelLine;
  struct Kept {
    std::shared_ptr<TunnelWire> wire;
    Instant since;
  };
  static Task<> keep(std::shared_ptr<Tunnel> self);
  Task<std::shared_ptr<TunnelWire>> dial();
  Task<std::shared_ptr<TunnelWire>> borrow(bool& used_before);
  void give_back(std::shared_ptr<TunnelWire> wire);
  void lost() { --lent_, wake_.notify_all(); }
  void watch(const std::shared_ptr<TunnelWire>& wire);
  void put_away(std::shared_ptr<TunnelWire> wire);
  void reap();

  Reactor& reactor_;
  std::string address_;
  TunnelWay way_;
  Options options_;
  std::shared_ptr<tls::Context> context_;
  std::vector<Kept> idle_;  // the newest last
  int lent_ = 0;
  bool worked_ = false;
  bool closing_ = false;
  std::string problem_;
  std::uint64_t handshakes_ = 0;
  std::uint64_t resumed_ = 0;
  Signal wake_;
};

}  // namespace gantry::providers::relay
