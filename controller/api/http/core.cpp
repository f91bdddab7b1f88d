#include "controller/api/http/core.hpp"

#include <sys/socket.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>

#include "controller/api/http/response_head.hpp"
#include "controller/api/http/session.hpp"
#include "controller/base/log.hpp"
#include "controller/base/resident_memory.hpp"

namespace gantry::api::http {

namespace {

const log::Logger kLog("http");
constexpr std::size_t kRefusedAtOnce = 64;  // connections over the limit that are told so, rather than cut
constexpr std::uint64_t kBusy = 5000;       // requests a second, from which on memory is kept for the next ones

}  // namespace

struct Core::Acceptor {
  asio::basic_socket_acceptor<asio::ip::tcp, Executor> asio;
};

Core::Core(Reactor& reactor_, Handler& handler_, const Authenticator& authenticator_, ServerOptions options_)
    : reactor(reactor_),
      handler(handler_),
      authenticator(authenticator_),
      options(std::move(options_)),
      emptied_(reactor_),
      connections_(metrics::gauge("gantry_http_connections", "Connections to the API that are open.")),
      lateness_(metrics::histogram("gantry_http_reactor_lateness_seconds",
                                   "How late the front's timer ran, sampled each second: long turns show here.",
                                   {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1})) {
  if (options.tls) tls = std::make_shared<tls::Context>(*options.tls);
}

// The clock outlives the reactor, and must not keep a timer of it.
Core::~Core() { reactor.clock().cancel(sweep_timer_); }

void Core::listen() {
  const std::string where = options.address + ":" + std::to_string(options.port);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    throw Error(ErrorCode::Invalid,
                "cannot listen on \"" + options.address + "\": it is no IP address, such as 127.0.0.1 or 0.0.0.0");
  }
  if (!tls && !options.plain_anywhere && !address.is_loopback()) {
    throw Error(ErrorCode::Invalid, "plain HTTP is served on loopback addresses only, not on " + where +
                                        ": tokens would cross the network in clear text; use HTTPS");
  }
  acceptor_ =
      std::make_unique<Acceptor>(Acceptor{asio::basic_socket_acceptor<asio::ip::tcp, Executor>(reactor.executor())});
  auto& asio = acceptor_->asio;
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  asio.open(endpoint.protocol(), error);
  if (!error) asio.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) asio.bind(endpoint, error);
  if (!error) asio.listen(4096, error);
  if (!error) asio.non_blocking(true, error);
  if (error) {
    throw Error(ErrorCode::Unavailable,
                "cannot listen on " + where + ": " + error.message() +
                    (error == asio::error::address_in_use ? "; stop the other program, or choose another port" : ""));
  }
  port_ = asio.local_endpoint().port();
  reactor.spawn(accept_loop(shared_from_this()));
}

// The parameter keeps the core alive as long as the loop runs.
Task<> Core::accept_loop(std::shared_ptr<Core>) {
  auto& asio = acceptor_->asio;
  while (asio.is_open()) {
    boost::system::error_code error;
    co_await asio.async_wait(asio::socket_base::wait_read, asio::redirect_error(use_task, error));
    if (error || !asio.is_open()) break;
    while (accept_one()) {
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      kLog.warn("cannot accept connections; raise the limit of open files", {{"error", std::strerror(errno)}});
      refused("no_descriptors");
      // Level or edge, the queue stays full: look again when some connection may have ended.
      co_await sleep_for(reactor, std::chrono::milliseconds(200));
    }
  }
}

bool Core::accept_one() {
  errno = 0;
  const int descriptor = ::accept4(acceptor_->asio.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return errno == ECONNABORTED || errno == EINTR;
  const bool over = sessions_.size() >= options.limits.connections;
  auto session = std::make_shared<Session>(shared_from_this(), descriptor, over);
  if (over) refused("too_many_connections");
  if (sessions_.size() > options.limits.connections + kRefusedAtOnce) return true;
  reactor.spawn(Session::run(std::move(session)));
  return true;
}

void Core::add(Session& session) {
  session.place = sessions_.insert(sessions_.end(), &session);
  connections_.add(1);
  arm_sweep();
}

void Core::remove(Session& session) {
  sessions_.erase(session.place);
  connections_.add(-1);
  if (sessions_.empty()) emptied_.notify_all();
}

void Core::refused(std::string_view reason) {
  metrics::counter("gantry_http_requests_refused_total", "Requests refused before they reached the API, by reason.",
                   {{"reason", std::string(reason)}})
      .add();
}

// Only while somebody is connected: an idle controller sleeps.
void Core::arm_sweep() {
  if (std::exchange(sweeping_, true)) return;
  date_ = http_date(reactor.clock().wall());
  const Instant due = reactor.now() + std::chrono::seconds(1);
  sweep_timer_ = reactor.clock().call_at(reactor, due, [weak = weak_from_this(), due] {
    const auto self = weak.lock();
    if (!self) return;
    self->lateness_.observe(std::chrono::duration<double>(self->reactor.now() - due).count());
    self->sweep();
  });
}

void Core::sweep() {
  sweeping_ = false;
  ++second_;
  const bool busy = std::exchange(answered_, 0) >= kBusy;
  if (std::exchange(busy_, busy) != busy) release_freed_pages_at_once(!busy);
  for (Session* session : sessions_) session->sweep();
  if (!sessions_.empty() || busy_) arm_sweep();
}

Task<> Core::shutdown(Duration grace) {
  const auto self = shared_from_this();
  draining_ = true;
  boost::system::error_code ignored;
  if (acceptor_) acceptor_->asio.close(ignored);
  const Instant deadline = reactor.now() + grace;
  for (Session* session : sessions_) session->drain();
  // Those that are idle need a turn or two, whatever the grace.
  for (int turns = 0; turns < 8 && !sessions_.empty(); ++turns) co_await asio::post(reactor.executor(), use_task);
  while (!sessions_.empty() && reactor.now() < deadline) co_await emptied_.wait_until(deadline);
  if (sessions_.empty()) co_return;
  kLog.warn("connections are dropped: they did not end in time", {{"connections", sessions_.size()}});
  for (Session* session : sessions_) session->drop();
  // Their coroutines end as soon as they run; one that waits inside the handler may take longer, and is left to it.
  const Instant last = reactor.now() + std::chrono::seconds(1);
  while (!sessions_.empty() && reactor.now() < last) co_await emptied_.wait_until(last);
}

Server::Server(Reactor& reactor, Handler& handler, const Authenticator& authenticator, ServerOptions options)
    : core_(std::make_shared<Core>(reactor, handler, authenticator, std::move(options))) {}

Server::~Server() = default;

void Server::listen() { core_->listen(); }
std::uint16_t Server::port() const { return core_->port(); }
std::size_t Server::connections() const { return core_->connections(); }
void Server::use_certificate(const tls::Context::Server& tls) { core_->tls = std::make_shared<tls::Context>(tls); }
Task<> Server::shutdown(Duration grace) { co_await core_->shutdown(grace); }

}  // namespace gantry::api::http
