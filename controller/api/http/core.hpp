// What the sessions of one server share, and the sweep over them. Kept alive by the server and by each session.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "controller/api/http/server.hpp"
#include "controller/base/metrics.hpp"
#include "controller/base/signal.hpp"

namespace gantry::api::http {

class Session;

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Reactor& reactor_, Handler& handler_, const Authenticator& authenticator_, ServerOptions options_);
  ~Core();

  void listen();
  std::uint16_t port() const { return port_; }
  Task<> shutdown(Duration grace);

  // Seconds since the first sweep: all deadlines are in these, so that no request touches a timer.
  std::uint64_t second() const { return second_; }
  std::string_view date() const { return date_; }
  bool draining() const { return draining_; }
  void refused(std::string_view reason);
  void answered() { ++answered_; }

  // Sessions are in the list from their birth to their end.
  void add(Session& session);
  void remove(Session& session);
  std::size_t connections() const { return sessions_.size(); }

  Reactor& reactor;
  Handler& handler;
  const Authenticator& authenticator;
  const ServerOptions options;
  // What new connections use; each holds on to its own.
  std::shared_ptr<tls::Context> tls;
  // Where every session reads to. Its content is used, or moved away, before the reading session waits again.
  std::array<char, 64 << 10> scratch;

 private:
  struct Acceptor;
  Task<> accept_loop(std::shared_ptr<Core> self);
  bool accept_one();
  void arm_sweep();
  void sweep();

  std::unique_ptr<Acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::list<Session*> sessions_;
  Signal emptied_;
  metrics::Gauge connections_;
  metrics::Histogram lateness_;
  bool draining_ = false;
  bool sweeping_ = false;
  Clock::TimerId sweep_timer_ = 0;
  std::uint64_t second_ = 1;
  std::uint64_t answered_ = 0;  // in this second
  bool busy_ = false;
  std::string date_;
};

}  // namespace gantry::api::http
