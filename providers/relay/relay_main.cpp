#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <csignal>
#include <cstdio>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/relay.hpp"

namespace gantry::providers::relay {
namespace {

using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
using Serve = Task<> (Relay::*)(int);

const log::Logger kLog("relay");
constexpr Duration kPauseWhenFull = std::chrono::milliseconds(20);

std::unique_ptr<Acceptor> listen(Reactor& reactor, const std::string& path) {
  ::unlink(path.c_str());
  auto acceptor = std::make_unique<Acceptor>(reactor.executor());
  boost::system::error_code error;
  acceptor->open(asio::local::stream_protocol(), error);
  const mode_t before = ::umask(0177);  // nobody else's business
  if (!error) acceptor->bind(asio::local::stream_protocol::endpoint(path), error);
  ::umask(before);
  if (!error) acceptor->listen(4096, error);
  if (error) throw Error(ErrorCode::Unavailable, "cannot listen on " + path + ": " + error.message());
  return acceptor;
}

Task<> accept_for_ever(Reactor& reactor, Acceptor& acceptor, Relay& relay, Serve serve) {
  while (true) {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(use_task, error));
    if (error) {
      // Out of descriptors, most likely: those that are open go on, and some will end.
      co_await sleep_for(reactor, kPauseWhenFull);
      continue;
    }
    reactor.spawn((relay.*serve)(socket.release()));
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const std::string& folder) {
  raise_descriptor_limit();
  const auto lock = files::Lock::acquire(folder + "/relay.lock");
  Reactor reactor("relay", system_clock());
  Relay relay(reactor);
  if (const auto text = files::read_file_if_exists(folder + "/relay.json"))
    relay.configure(read_config(json::parse(*text)));
  const auto control = listen(reactor, folder + "/control.sock");
  const auto requests = listen(reactor, folder + "/relay.sock");
  reactor.spawn(accept_for_ever(reactor, *control, relay, &Relay::serve_control));
  reactor.spawn(accept_for_ever(reactor, *requests, relay, &Relay::serve));
  kLog.info("serving", {{"folder", folder}});
  reactor.run();
  return 0;
}

}  // namespace

int relay_main(int argc, char** argv) {
  std::string folder;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--dir") folder = argv[i + 1];
  }
  if (folder.empty()) {
    std::fprintf(stderr, "usage: gantry relay --dir DIR\nThe controller starts this by itself.\n");
    return 64;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(folder);
  } catch (const Error& error) {
    kLog.error("cannot go on", {{"error", error.message()}});
    return traits(error.code()).exit_code;
  }
}

}  // namespace gantry::providers::relay
