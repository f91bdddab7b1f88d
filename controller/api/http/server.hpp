// The HTTP/1.1 server: sockets, TLS, limits, identity. What a request means is the Handler's business.
// Lives on one reactor's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/authenticator.hpp"
#include "controller/api/handler.hpp"
#include "controller/api/http/limits.hpp"
#include "controller/base/reactor.hpp"
#include "controller/base/tls.hpp"

namespace gantry::api::http {

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address; not a name, which could be several
  std::uint16_t port = 6443;          // 0: any
  // Absent: plain HTTP, for loopback addresses only.
  std::optional<tls::Context::Server> tls;
  bool plain_anywhere = false;  // somebody asked for plain HTTP on other addresses too
  Limits limits;
};

// A HEAD request reaches the handler as GET; its body is counted and left out.
class Server {
 public:
  // Handler and authenticator must outlive the server and every request under way.
  Server(Reactor& reactor, Handler& handler, const Authenticator& authenticator, ServerOptions options);
  ~Server();

  // Throws Error(Invalid) for an address that cannot be used, Error(Unavailable) when the port is taken.
  void listen();
  std::uint16_t port() const;
  std::size_t connections() const;

  // For connections from now on; those under way keep what they began with. Only where TLS is spoken already. Throws
  // Error(Invalid), and goes on with what it has.
  void use_certificate(const tls::Context::Server& tls);

  // Accepts nobody any more, lets requests under way finish, ends streams; drops what is left after `grace`.
  Task<> shutdown(Duration grace);

 private:
  std::shared_ptr<class Core> core_;
};

}  // namespace gantry::api::http
