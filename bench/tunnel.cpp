// What it costs that requests for Apps on other hosts are encrypted: a relay, a tunnel's end and an App, each on a
// thread of its own, asked over loopback in turn with the tunnel and in plain.
//   gantry_tunnel_bench [--rounds N] [--seconds S] [--clients N] [--bytes N]
// Prints requests a second, the ratio of the medians, and how many handshakes there were.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <future>
#include <iostream>
#include <thread>
#include <vector>

#include "controller/base/byte_stream.hpp"
#include "controller/base/pki.hpp"
#include "providers/relay/listening.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/tunnel_end.hpp"

namespace {

using namespace gantry;
using namespace gantry::providers::relay;

Task<> answer_once(Reactor& reactor, int descriptor, const std::string& text) {
  ByteStream stream(reactor, descriptor);
  std::array<char, 4096> piece;
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto got = co_await stream.read(piece);
    if (got == 0) co_return;
    head.append(piece.data(), got);
  }
  (void)co_await stream.write(text);
}

struct Load {
  std::atomic<bool> on{true};
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
  int running = 0;
};

Task<> ask_for_ever(Reactor& reactor, Relay& relay, Load& load) {
  const std::string head = "GET /x HTTP/1.1\r\nHost: a.test\r\nGantry-Route: r\r\nConnection: close\r\n\r\n";
  std::vector<char> piece(64 << 10);
  while (load.on) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) break;
    ByteStream stream(reactor, ends[0]);
    reactor.spawn(relay.serve(ends[1]));
    (void)co_await stream.write(head);
    bool right = false;
    bool first = true;
    while (const auto got = co_await stream.read(piece)) {
      if (std::exchange(first, false)) right = std::string_view(piece.data(), got).starts_with("HTTP/1.1 200");
    }
    ++(right ? load.answered : load.failed);
  }
  --load.running;
}

// On the relay's thread, and waits for it.
template <class F>
auto there(Reactor& reactor, F fn) {
  std::promise<std::invoke_result_t<F>> done;
  reactor.post([&] { done.set_value(fn()); });
  return done.get_future().get();
}

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return all[all.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  int rounds = 5, clients = 32;
  double seconds = 2;
  std::size_t bytes = 1000;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view word = arguments[i];
    if (word == "--rounds") rounds = std::atoi(arguments[i + 1]);
    if (word == "--clients") clients = std::atoi(arguments[i + 1]);
    if (word == "--seconds") seconds = std::atof(arguments[i + 1]);
    if (word == "--bytes") bytes = static_cast<std::size_t>(std::atol(arguments[i + 1]));
  }
  const WallTime now = system_clock().wall();
  const pki::Life life{now - std::chrono::hours(1), now + std::chrono::hours(24)};
  const auto authority = pki::make_authority("bench", life);
  const auto serving = pki::issue_serving(authority, {"127.0.0.1"}, life);
  const auto shown = pki::issue_client(authority, kRelayUser, {}, life);
  const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');

  Reactor app("app", system_clock()), far("tunnel", system_clock()), near("relay", system_clock());
  const int app_door = listen_on("127.0.0.1", 0), door = listen_on("127.0.0.1", 0);
  const Place app_place{-1, listen_on("127.0.0.1", 0), app_door}, place{-1, listen_on("127.0.0.1", 0), door};
  const auto nothing = [](int descriptor) -> Task<> {
    ::close(descriptor);
    co_return;
  };
  Doors app_doors(app, app_place, nothing, [&](int descriptor) { return answer_once(app, descriptor, text); });
  TunnelEnd end(far, {});
  end.configure({serving.certificate, serving.key.reveal(), authority.certificate, {{"a", {port_of(app_door)}}}});
  Doors doors(far, place, nothing, [&](int descriptor) { return end.serve(descriptor); });
  Relay relay(near, {});
  std::vector<std::thread> threads;
  for (Reactor* one : {&app, &far, &near}) threads.emplace_back([one] { one->run(); });

  std::vector<double> rates[2];
  for (int round = 0; round < 2 * rounds; ++round) {
    const bool tunnel = round % 2 == 1;
    Load load;
    there(near, [&] {
      Config config;
      config.identity = {shown.certificate, shown.key.reveal()};
      config.routes["r"] = {"b", 0, 0};
      Upstream upstream{"a", port_of(app_door), "127.0.0.1", {}};
      if (tunnel)
        upstream.tunnel = {.port = port_of(door), .peer = "127.0.0.1", .ca = authority.certificate, .required = true};
      config.backends["b"].upstreams.push_back(upstream);
      relay.configure(config);
      load.running = clients;
      for (int i = 0; i < clients; ++i) near.spawn(ask_for_ever(near, relay, load));
      return 0;
    });
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    load.on = false;
    while (there(near, [&] { return load.running; }) > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rates[tunnel].push_back(static_cast<double>(load.answered) / took);
    std::cout << (tunnel ? "tunnel " : "plain  ") << static_cast<long>(rates[tunnel].back()) << "/s, failed "
              << load.failed;
    if (tunnel) {
      const std::string told = there(near, [&] { return json::dump(*relay.state().find("tunnels")); });
      std::cout << ", " << told;
    }
    std::cout << "\n" << std::flush;
  }
  std::cout << bytes << " bytes: plain " << static_cast<long>(median(rates[0])) << "/s, tunnel "
            << static_cast<long>(median(rates[1])) << "/s, ratio " << median(rates[1]) / median(rates[0]) << "\n"
            << std::flush;
  std::_Exit(0);
}
