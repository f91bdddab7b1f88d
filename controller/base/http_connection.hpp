// A client's connection: HTTP/1.1 over TCP, TLS or a Unix socket, kept alive, with answers whole or piece by piece.
// One reactor's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/http.hpp"
#include "controller/base/reactor.hpp"
#include "controller/base/tls.hpp"

namespace gantry::http {

struct Endpoint {
  enum class Kind { Tcp, Tls, Unix };
  Kind kind = Kind::Tcp;
  std::string host;  // a name or an address without brackets; the path of a Unix socket
  std::uint16_t port = 0;
  std::string tls_name;  // what the certificate must carry; empty: host

  // Of http://host[:port]..., https://..., unix:///path. Throws Error(Invalid).
  static Endpoint of_url(std::string_view url);
  std::string authority() const;  // the Host header: host:port
  std::string to_string() const;  // for people
};

// What follows the authority: "/path?query". The whole text when it is no URL.
std::string_view target_of(std::string_view url);

struct Head {
  int status = 0;
  Headers headers;
  std::string header(std::string_view name) const;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // context: for Kind::Tls; must outlive the connection. Throws Error(Unavailable) that names the stage (resolving,
  // connecting, TLS), Error(Timeout).
  static Task<std::shared_ptr<Connection>> open(Reactor& reactor, Endpoint endpoint, tls::Context* context,
                                                Instant deadline);
  ~Connection();

  // The whole answer, within request.timeout. Errors as Transport::send(), and whatever request.more throws: then the
  // connection is of no more use.
  Task<Response> exchange(Request request);
  // Sends the request and reads the head of the answer, within request.timeout; next() then gives the body as it comes,
  // without a time limit. A piece has no meaning of its own; empty is the end. Throws Error(Unavailable) when the body
  // is cut off, Error(Cancelled) after close().
  Task<Head> begin(Request request);
  Task<std::string> next();

  // Whole answer read, and both sides want to go on.
  bool reusable() const;
  // The server has closed an idle connection meanwhile (or sent what nobody asked for): of no use any more.
  bool stale();
  // Whether anything of the last answer came. If not, an old connection may just have been too old.
  bool answered() const { return answered_; }
  // Whether TLS took up an earlier session.
  bool resumed() const;
  // Wakes whoever waits. Twice is fine.
  void close();

 private:
  Connection(Reactor& reactor, Endpoint endpoint);
  class Deadline;
  class Parser;
  Task<> connect(tls::Context* context);
  Task<> write(const Request& request);
  Task<bool> write_chunks(const Request& request);
  Task<> read_head();
  Task<bool> read_more();
  void feed();
  [[noreturn]] void fail(std::string_view stage);

  Reactor& reactor_;
  Endpoint endpoint_;
  std::unique_ptr<class ConnectionSocket> socket_;
  std::unique_ptr<Parser> parser_;
  std::string input_;  // read, not yet parsed
  std::string body_;   // parsed, not yet handed out
  Head head_;
  bool head_only_ = false;
  bool answered_ = false;
  bool busy_ = false;
  bool timed_out_ = false;
  bool cancelled_ = false;
};

// Idle connections to one place, for use one after another.
class Pool {
 public:
  // context: for Kind::Tls; must outlive the pool.
  Pool(Reactor& reactor, Endpoint endpoint, tls::Context* context, std::size_t idle_max = 8);
  ~Pool();

  Task<Response> send(Request request);
  // A connection of its own, for an answer that goes on.
  Task<std::shared_ptr<Connection>> open(Duration timeout);
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  Reactor& reactor_;
  Endpoint endpoint_;
  tls::Context* context_;
  std::size_t idle_max_;
  std::vector<std::shared_ptr<Connection>> idle_;
};

}  // namespace gantry::http
