#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/listening.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/tunnel_end.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("tunnel");

int run(const std::string& folder, const std::string& address, int port) {
  raise_descriptor_limit();
  auto place = open_place(folder, [&] { return listen_on(address, port); });
  if (!place) {
    const TakenPlace taken = take_place(folder);
    place = taken.place;
    ::close(taken.connection);  // what is still under way there is no business of ours
  }
  Reactor reactor("tunnel", system_clock());
  TunnelEnd end(reactor, {.program = program_identity("/proc/self/exe"), .port = port_of(place->requests)});
  end.configure(read_tunnel_config(json::parse(files::read_file(folder + "/tunnel.json"))));
  const std::string used = folder + "/used";
  end.was_used(files::read_file_if_exists(used).value_or(std::string()));
  end.on_used([&](const std::string& hash) { files::write_file_atomically(used, hash, 0600); });
  Doors doors(
      reactor, *place, [&](int descriptor) { return end.serve_control(descriptor); },
      [&](int descriptor) { return end.serve(descriptor); });
  end.on_successor([&](int connection) {
    if (!doors.give(connection)) return false;
    kLog.info("another has taken over; what is under way is finished here", {});
    return true;
  });
  end.on_end([&] { reactor.stop(); });
  kLog.info("serving", {{"folder", folder}, {"port", port_of(place->requests)}});
  reactor.run();
  return 0;
}

}  // namespace

int tunnel_main(int argc, char** argv) {
  std::string folder;
  std::string address = "0.0.0.0";
  int port = 0;
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--dir") folder = argv[i + 1];
    if (word == "--address") address = argv[i + 1];
    if (word == "--port") port = std::atoi(argv[i + 1]);
  }
  if (folder.empty()) {
    std::fprintf(stderr,
                 "usage: gantry tunnel --dir DIR [--address ADDRESS] [--port PORT]\nAn agent starts this by itself.\n");
    return 64;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(folder, address, port);
  } catch (const Error& error) {
    std::fprintf(stderr, "Error: %s\n", error.message().c_str());
    return traits(error.code()).exit_code;
  }
}

}  // namespace gantry::providers::relay
