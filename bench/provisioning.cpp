// How long so many Servers take when they are made side by side at a provider whose machines take 30 s each, and what
// the controller's processor does while it waits. The real controller, in a process of its own; the provider is the
// emulated DigitalOcean behind a real socket, on a thread of this one, so that its time is not the controller's.
// Nothing stands behind the machines: made means that they run at the provider and that each Server says so.
// Prints JSON.
//   gantry_provisioning [SERVERS=50]
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "controller/base/files.hpp"
#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/server.hpp"
#include "tests/process/gantry_process.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// User and system time of the process, all of its threads.
double processor_of(int pid) {
  const std::string stat = files::read_file("/proc/" + std::to_string(pid) + "/stat");
  // After the name, which is in brackets and may hold anything: state is field 3, utime 14, stime 15.
  std::size_t at = stat.rfind(')') + 2;
  for (int field = 3; field < 14; ++field) at = stat.find(' ', at) + 1;
  char* end = nullptr;
  const double user = std::strtod(stat.c_str() + at, &end);
  return (user + std::strtod(end, nullptr)) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

template <class Condition>
bool eventually(Clock::duration limit, Condition condition) {
  const auto end = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

int run(std::size_t wanted) {
  Reactor reactor("vendor", system_clock());
  emulators::DigitalOcean cloud(reactor);
  emulators::EmulatorServer vendor(reactor, cloud);
  // Machines fetch their agent from here; none does.
  const std::string address = "127.0.0.1:" + std::to_string(process::free_port());
  process::Controller controller({"--listen", address, "--advertise", address});
  controller.start();
  controller.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: default}\nstringData: {token: " + cloud.token +
      "}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: cloud, namespace: default}\n"
      "spec:\n  type: digitalocean\n  region: lon1\n  endpoint: " +
      vendor.url() + "\n  credentials: {secretRef: {name: token}}\n");
  if (!eventually(30s, [&] { return controller.ready("provider/cloud"); })) {
    std::fprintf(stderr, "the provider is not ready\n%s\n", controller.log().c_str());
    return 1;
  }
  // A controller's first start packs its agent, which is done once for each build.
  const auto packed = [&] {
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(controller.folder("data/agent-archive"), absent)) {
      const std::string name = entry.path().filename().string();
      if (name.size() == 64 + 7 && name.ends_with(".tar.gz")) return true;
    }
    return false;
  };
  if (!eventually(120s, packed)) {
    std::fprintf(stderr, "the agent was not packed\n%s\n", controller.log().c_str());
    return 1;
  }
  std::string manifest;
  for (std::size_t i = 1; i <= wanted; ++i)
    manifest += "---\napiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-" + std::to_string(i) +
                ", namespace: default}\nspec: {providerRef: {name: cloud}, size: s-1vcpu-1gb, image: "
                "ubuntu-24-04-x64}\n";
  vendor.there([&] { cloud.forget_calls(); });
  const auto began = Clock::now();
  controller.apply(manifest);
  const double applied = seconds(Clock::now() - began);
  const auto machines = [&](bool active) {
    return vendor.there([&] {
      std::size_t count = 0;
      for (const auto& [id, droplet] : cloud.droplets) count += !active || droplet.status == "active";
      return count;
    });
  };
  if (!eventually(60s, [&] { return machines(false) == wanted; })) {
    std::fprintf(stderr, "%zu of %zu were asked for\n%s\n", machines(false), wanted, controller.log().c_str());
    return 1;
  }
  const double asked = seconds(Clock::now() - began);
  // It has asked for all of them, and none is there yet: this is waiting.
  std::this_thread::sleep_for(1s);
  const auto waits_from = Clock::now();
  const double used_before = processor_of(controller.pid());
  const std::size_t calls_before = vendor.there([&] { return cloud.log().size(); });
  eventually(60s, [&] { return machines(true) > 0; });
  const double waited = seconds(Clock::now() - waits_from);
  const double used = processor_of(controller.pid()) - used_before;
  const std::size_t calls_waiting = vendor.there([&] { return cloud.log().size(); }) - calls_before;
  eventually(60s, [&] { return machines(true) == wanted; });
  const double there = seconds(Clock::now() - began);
  std::size_t told = 0;
  const bool all = eventually(60s, [&] {
    const json::Value list = controller.get("servers");
    const json::Value* items = list.find("items");
    told = 0;
    for (const auto& server : items ? items->as_array() : json::Array())
      told += server.text_at({"status", "state"}) == "running";
    return told == wanted;
  });
  const double total = seconds(Clock::now() - began);
  const std::size_t calls = vendor.there([&] { return cloud.log().size(); });
  std::printf(
      "{\"servers\": %zu, \"told\": %zu, \"applied_s\": %.2f, \"asked_s\": %.2f, \"there_s\": %.2f, \"total_s\": "
      "%.2f,\n"
      " \"waiting_s\": %.2f, \"waiting_cpu_percent\": %.2f, \"waiting_calls\": %zu, \"calls\": %zu, \"over_limit\": "
      "%d, \"creations\": %d}\n",
      wanted, told, applied, asked, there, total, waited, 100 * used / waited, calls_waiting, calls,
      vendor.there([&] { return cloud.over_the_limit(); }), vendor.there([&] { return cloud.creations(); }));
  if (!all) std::fprintf(stderr, "%s\n", controller.log().c_str());
  return all ? 0 : 1;
}

}  // namespace
}  // namespace gantry

int main(int count, char** arguments) {
  return gantry::run(count > 1 ? static_cast<std::size_t>(std::atoi(arguments[1])) : 50);
}
