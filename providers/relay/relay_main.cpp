#include <sys/resource.h>
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
#include "providers/relay/relay_place.hpp"

namespace gantry::providers::relay {
namespace {

using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
using Serve = Task<> (Relay::*)(int);

const log::Logger kLog("relay");
constexpr Duration kPauseWhenFull = std::chrono::milliseconds(20);

Task<> accept_until_closed(Reactor& reactor, Acceptor& acceptor, Relay& relay, Serve serve) {
  while (acceptor.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(use_task, error));
    if (error) {
      // Out of descriptors, most likely: those that are open go on, and some will end.
      if (acceptor.is_open()) co_await sleep_for(reactor, kPauseWhenFull);
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
  int predecessor = -1;
  auto place = open_place(folder);
  if (!place) {
    const TakenPlace taken = take_place(folder);
    place = taken.place;
    predecessor = taken.connection;
  }
  Reactor reactor("relay", system_clock());
  Relay::Options options;
  options.program = program_identity("/proc/self/exe");
  Relay relay(reactor, options);
  if (const auto text = files::read_file_if_exists(folder + "/relay.json"))
    relay.configure(read_config(json::parse(*text)));
  if (predecessor >= 0) reactor.spawn(relay.inherit_from(predecessor));
  Acceptor control(reactor.executor());
  Acceptor requests(reactor.executor());
  control.assign(asio::local::stream_protocol(), place->control);
  requests.assign(asio::local::stream_protocol(), place->requests);
  relay.on_successor([&](int connection) {
    if (!give_place(connection, *place)) return false;
    control.close();
    requests.close();
    ::close(place->lock);
    kLog.info("another relay has taken over; what is under way is finished here", {});
    return true;
  });
  relay.on_end([&] { reactor.stop(); });
  reactor.spawn(accept_until_closed(reactor, control, relay, &Relay::serve_control));
  reactor.spawn(accept_until_closed(reactor, requests, relay, &Relay::serve));
  kLog.info("serving", {{"folder", folder}, {"tookOver", predecessor >= 0}});
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
