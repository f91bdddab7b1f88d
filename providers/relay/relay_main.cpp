#include <csignal>
#include <cstdio>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/listening.hpp"
#include "providers/relay/relay.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("relay");

int run(const std::string& folder) {
  raise_descriptor_limit();
  int predecessor = -1;
  auto place = open_place(folder, [&] { return listen_on(folder + "/relay.sock"); });
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
  Doors doors(
      reactor, *place, [&](int descriptor) { return relay.serve_control(descriptor); },
      [&](int descriptor) { return relay.serve(descriptor); });
  relay.on_successor([&](int connection) {
    if (!doors.give(connection)) return false;
    kLog.info("another relay has taken over; what is under way is finished here", {});
    return true;
  });
  relay.on_end([&] { reactor.stop(); });
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
