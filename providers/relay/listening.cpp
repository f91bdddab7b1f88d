#include "providers/relay/listening.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

namespace gantry::providers::relay {
namespace {

using Listener = asio::posix::basic_stream_descriptor<Executor>;

constexpr Duration kPauseWhenFull = std::chrono::milliseconds(20);

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Doors::Parts : std::enable_shared_from_this<Parts> {
  Parts(Reactor& of, Place given)
      : reactor(of), place(given), control(of.executor(), given.control), requests(of.executor(), given.requests) {}

  static Task<> accept(std::shared_ptr<Parts> self, Listener& listener, Serve serve) {
    while (listener.is_open()) {
      boost::system::error_code error;
      co_await listener.async_wait(Listener::wait_read, asio::redirect_error(use_task, error));
      if (!listener.is_open()) break;
      while (true) {
        const int descriptor = ::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor < 0) break;
        self->reactor.spawn(serve(descriptor));
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Those that are open go on, and some will end.
        co_await sleep_for(self->reactor, kPauseWhenFull);
      }
    }
  }

  Reactor& reactor;
  Place place;
  Listener control;
  Listener requests;
};

Doors::Doors(Reactor& reactor, Place place, Serve control, Serve request)
    : parts_(std::make_shared<Parts>(reactor, place)) {
  reactor.spawn(Parts::accept(parts_, parts_->control, std::move(control)));
  reactor.spawn(Parts::accept(parts_, parts_->requests, std::move(request)));
}

Doors::~Doors() {
  boost::system::error_code ignored;
  parts_->control.close(ignored);
  parts_->requests.close(ignored);
}

bool Doors::give(int connection) {
  if (!give_place(connection, parts_->place)) return false;
  boost::system::error_code ignored;
  parts_->control.close(ignored);
  parts_->requests.close(ignored);
  ::close(parts_->place.lock);
  return true;
}

}  // namespace gantry::providers::relay
