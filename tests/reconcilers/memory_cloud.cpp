#include "tests/reconcilers/memory_cloud.hpp"

#include <algorithm>

#include "providers/money.hpp"

namespace gantry::reconcilers {
namespace {

using namespace providers;
using State = CloudServer::State;

SizeOffer size(const std::string& name, int cpus, int gib, int disk, const std::string& price,
               std::optional<WallTime> ends = {}) {
  SizeOffer offer{name,     "", cpus, static_cast<std::int64_t>(gib) << 30, static_cast<std::int64_t>(disk) << 30,
                  "x86_64", {}, {}};
  for (const char* region : {"fsn1", "nbg1"}) offer.places.push_back({region, money_of(price, "EUR"), {}, ends, true});
  return offer;
}

class Connection final : public Provider {
 public:
  Connection(MemoryCloud& cloud, world::Lifeline& line) : cloud_(cloud), line_(line) {}

  const Capabilities& capabilities() const override { return cloud_.can; }
  std::optional<RateLimit> rate_limit() const override { return cloud_.rate; }

  Task<Account> account() override {
    return call<Account>("account", [this] { return Account{"memory@example.org", {}, cloud_.account_problem, {}}; });
  }
  Task<Catalogue> catalogue() override {
    return call<Catalogue>("catalogue", [this] { return cloud_.catalogue; });
  }
  Task<Inventory> observe() override {
    return call<Inventory>("observe", [this] {
      Inventory all;
      all.calls = static_cast<int>(1 + cloud_.machines.size() / 200);
      for (const auto& [id, machine] : cloud_.machines) {
        if (!cloud_.blind && !is_hidden(machine)) all.servers.push_back(machine.server);
      }
      for (const auto& [id, picture] : cloud_.images) all.images.push_back(picture.image);
      for (const auto& [id, firewall] : cloud_.firewalls) all.firewalls.push_back(firewall);
      return all;
    });
  }
  Task<std::vector<CloudServer>> servers_of(Mark mark) override {
    return call<std::vector<CloudServer>>("servers_of", [this, mark] {
      std::vector<CloudServer> some;
      for (const auto& [id, machine] : cloud_.machines) {
        if (machine.server.mark == mark && !is_hidden(machine)) some.push_back(machine.server);
      }
      return some;
    });
  }
  Task<std::vector<CloudImage>> images_of(Mark mark) override {
    return call<std::vector<CloudImage>>("images_of", [this, mark] {
      std::vector<CloudImage> some;
      for (const auto& [id, picture] : cloud_.images) {
        if (picture.image.mark == mark) some.push_back(picture.image);
      }
      return some;
    });
  }
  Task<std::optional<CloudServer>> find_server(std::string id) override {
    return call<std::optional<CloudServer>>("find_server", [this, id]() -> std::optional<CloudServer> {
      const auto at = cloud_.machines.find(id);
      if (at == cloud_.machines.end()) return std::nullopt;
      return at->second.server;
    });
  }
  Task<std::optional<CloudImage>> find_image(std::string id) override {
    return call<std::optional<CloudImage>>("find_image", [this, id]() -> std::optional<CloudImage> {
      const auto at = cloud_.images.find(id);
      if (at == cloud_.images.end()) return std::nullopt;
      return at->second.image;
    });
  }
  Task<std::vector<Progress>> poll(std::vector<std::string> operations) override {
    return call<std::vector<Progress>>("poll", [operations] {
      std::vector<Progress> all;
      for (const auto& id : operations) all.push_back({id, Progress::State::Done, {}, false});
      return all;
    });
  }

  Task<Operation> create_server(ServerOrder order) override {
    return call<Operation>("create_server", [this, order] {
      if (!order.network.empty() && std::ranges::find(cloud_.networks, order.network) == cloud_.networks.end())
        throw Error(ErrorCode::Invalid, "spec.network: the account has no network \"" + order.network + "\"");
      const std::string id = std::to_string(++cloud_.last_id);
      MemoryCloud::Machine machine;
      machine.server = made(id, order);
      if (!order.network.empty()) {
        machine.server.networks = {"id-of-" + order.network};
        machine.server.addresses.push_back({CloudAddress::Reach::Private, "10.0.0." + id});
      }
      machine.user_data = order.user_data.reveal();
      machine.ssh_keys = order.ssh_keys;
      machine.made = cloud_.clock.now();
      busy(machine, cloud_.boot, cloud_.starts_itself ? State::Running : State::New);
      machine.server.state = State::Starting;
      machine.builds = machine.user_data.contains("\npoweroff\n") && !cloud_.builds_fail;
      cloud_.machines.emplace(id, machine);
      cloud_.log.push_back("create " + order.name);
      return Operation{id, "op-" + id};
    });
  }
  Task<Operation> remove_server(std::string id) override {
    return call<Operation>("remove_server", [this, id] {
      const auto at = cloud_.machines.find(id);
      if (at == cloud_.machines.end()) return Operation{id, ""};
      if (!at->second.going) {
        cloud_.log.push_back("remove " + at->second.server.name);
        at->second.going = true;
        busy(at->second, cloud_.removal, State::Stopping);
        at->second.server.state = State::Stopping;
      }
      return Operation{id, ""};
    });
  }
  Task<Operation> power(std::string id, Power power) override {
    return change("power", id, [this, power](MemoryCloud::Machine& machine) {
      busy(machine, cloud_.action, power == Power::On ? State::Running : State::Off);
      cloud_.log.push_back((power == Power::On ? "start " : "stop ") + machine.server.name);
    });
  }
  Task<Operation> resize(std::string id, std::string name) override {
    return change("resize", id, [this, name](MemoryCloud::Machine& machine) {
      if (machine.server.state != State::Off) throw Error(ErrorCode::Conflict, "it must be off");
      set_size(machine.server, name);
      busy(machine, cloud_.action, State::Off);
      cloud_.log.push_back("resize " + machine.server.name + " " + name);
    });
  }
  Task<Operation> rebuild(std::string id, ServerOrder order) override {
    return change("rebuild", id, [this, order](MemoryCloud::Machine& machine) {
      machine.server.image = machine.server.image_id = order.image;
      machine.user_data = order.user_data.reveal();
      busy(machine, cloud_.boot, State::Running);
      cloud_.log.push_back("rebuild " + machine.server.name);
    });
  }
  Task<> mark_server(std::string id, Mark mark) override {
    co_await change("mark_server", id, [mark](MemoryCloud::Machine& machine) { machine.server.mark = mark; });
  }
  Task<> mark_image(std::string id, Mark mark) override {
    co_await call<int>("mark_image", [this, id, mark] {
      const auto at = cloud_.images.find(id);
      if (at == cloud_.images.end()) throw Error(ErrorCode::NotFound, "there is no image " + id);
      at->second.image.mark = mark;
      return 0;
    });
  }
  Task<> put_firewall(Mark mark, std::string name, std::vector<FirewallRule> rules) override {
    co_await call<int>("put_firewall", [this, mark, name, rules] {
      for (auto& [id, firewall] : cloud_.firewalls) {
        if (firewall.mark == mark) {
          firewall.rules = rules;
          cloud_.log.push_back("change firewall " + name);
          return 0;
        }
      }
      const std::string id = "fw-" + std::to_string(++cloud_.last_id);
      cloud_.firewalls.emplace(id, CloudFirewall{id, mark, rules, true});
      cloud_.log.push_back("create firewall " + name);
      return 0;
    });
  }
  Task<> remove_firewall(std::string id) override {
    co_await call<int>("remove_firewall", [this, id] {
      const auto at = cloud_.firewalls.find(id);
      if (at == cloud_.firewalls.end()) return 0;
      for (const auto& [other, machine] : cloud_.machines) {
        if (machine.server.mark == at->second.mark) throw Error(ErrorCode::Conflict, "the firewall is in use");
      }
      cloud_.firewalls.erase(at);
      return 0;
    });
  }
  Task<std::vector<ReservedAddress>> reserved_addresses() override {
    return call<std::vector<ReservedAddress>>("reserved_addresses", [this] {
      std::vector<ReservedAddress> all;
      for (const auto& [id, address] : cloud_.addresses) all.push_back(address);
      return all;
    });
  }
  Task<> assign_address(std::string id, std::string server) override {
    co_await call<int>("assign_address", [this, id, server] {
      const auto machine = cloud_.machines.find(server);
      if (machine == cloud_.machines.end() || machine->second.going)
        throw Error(ErrorCode::NotFound, "there is no server " + server);
      cloud_.addresses.at(id).server = server;
      cloud_.log.push_back("assign " + cloud_.addresses.at(id).address + " to " + machine->second.server.name);
      return 0;
    });
  }
  Task<Operation> create_image(ImageOrder order) override {
    return call<Operation>("create_image", [this, order] {
      const auto at = cloud_.machines.find(order.server);
      if (at == cloud_.machines.end()) throw Error(ErrorCode::NotFound, "there is no server " + order.server);
      if (at->second.server.busy) throw Error(ErrorCode::Conflict, "the server is busy");
      if (at->second.builds && !at->second.built) cloud_.log.push_back("image of what was never built");
      const std::string id = "image-" + std::to_string(++cloud_.last_id);
      MemoryCloud::Picture picture;
      picture.image.id = id;
      picture.image.name = order.name;
      picture.image.mark = order.mark;
      picture.image.content = order.content;
      picture.image.state = CloudImage::State::Making;
      picture.image.regions = {at->second.server.region};
      picture.image.size_bytes = 2LL << 30;
      picture.image.created = cloud_.clock.wall();
      picture.done_at = cloud_.clock.now() + cloud_.imaging;
      busy(at->second, cloud_.imaging, State::Off);
      cloud_.images.emplace(id, picture);
      cloud_.log.push_back("image " + order.content);
      return Operation{order.server, ""};
    });
  }
  Task<Operation> copy_image(std::string id, std::string region) override {
    return call<Operation>("copy_image", [this, id, region] {
      const auto at = cloud_.images.find(id);
      if (at == cloud_.images.end()) throw Error(ErrorCode::NotFound, "there is no image " + id);
      if (at->second.image.busy) throw Error(ErrorCode::Conflict, "a copy runs");
      at->second.image.busy = true;
      at->second.copying_to = region;
      at->second.copied_at = cloud_.clock.now() + cloud_.action;
      cloud_.log.push_back("copy " + at->second.image.content + " to " + region);
      return Operation{id, ""};
    });
  }
  Task<> remove_image(std::string id) override {
    co_await call<int>("remove_image", [this, id] {
      if (const auto at = cloud_.images.find(id); at != cloud_.images.end()) {
        cloud_.log.push_back("remove image " + at->second.image.content);
        cloud_.images.erase(at);
      }
      return 0;
    });
  }

 private:
  template <class T, class F>
  Task<T> call(std::string name, F effect) {
    co_return co_await line_.pass<T>("cloud " + name, [this, name, effect = std::move(effect)]() -> Task<T> {
      ++cloud_.calls[name];
      if (auto& waiting = cloud_.refusals[name]; !waiting.empty()) {
        const Error error = waiting.front();
        waiting.pop_front();
        throw error;
      }
      cloud_.pass_time();
      co_return effect();
    });
  }
  template <class F>
  Task<Operation> change(std::string name, std::string id, F effect) {
    return call<Operation>(name, [this, id, effect = std::move(effect)] {
      const auto at = cloud_.machines.find(id);
      if (at == cloud_.machines.end() || at->second.going) throw Error(ErrorCode::NotFound, "there is no server " + id);
      if (at->second.server.busy) throw Error(ErrorCode::Conflict, "the server is busy");
      effect(at->second);
      return Operation{id, ""};
    });
  }
  bool is_hidden(const MemoryCloud::Machine& machine) const {
    return cloud_.clock.now() - machine.made < cloud_.hidden;
  }
  void busy(MemoryCloud::Machine& machine, Duration duration, State next) {
    machine.server.busy = true;
    machine.busy_until = cloud_.clock.now() + duration;
    machine.next = next;
  }
  void set_size(CloudServer& server, const std::string& name) {
    const auto at = std::ranges::find(cloud_.catalogue.sizes, name, &SizeOffer::name);
    if (at == cloud_.catalogue.sizes.end()) throw Error(ErrorCode::Invalid, "there is no size " + name);
    server.size = name;
    server.cpu_millis = at->cpus * 1000;
    server.memory_bytes = at->memory_bytes;
    server.disk_bytes = at->disk_bytes;
    server.monthly = at->places.front().monthly;
  }
  CloudServer made(const std::string& id, const ServerOrder& order) {
    CloudServer server;
    server.id = id;
    server.name = order.name;
    server.mark = order.mark;
    server.region = order.region;
    server.image = server.image_id = order.image;
    if (cloud_.addressing == Duration{}) server.addresses = {{CloudAddress::Reach::Public, "203.0.113." + id}};
    server.created = cloud_.clock.wall();
    set_size(server, order.size);
    return server;
  }

  MemoryCloud& cloud_;
  world::Lifeline& line_;
};

}  // namespace

MemoryCloud::MemoryCloud(const Clock& the_clock) : clock(the_clock) {
  can.networks = can.reserved_addresses = can.snapshots = can.image_regions = can.firewall = can.resize = can.rebuild =
      can.prices = true;
  can.visible_within = std::chrono::seconds(20);
  const WallTime retired = parse_time("2026-01-01T00:00:00Z");
  catalogue.regions = {{"fsn1", "Falkenstein", true}, {"nbg1", "Nuremberg", true}};
  catalogue.sizes = {size("cx22", 2, 4, 40, "3.29", retired), size("cx23", 2, 4, 40, "3.49"),
                     size("cx33", 4, 8, 80, "5.49"), size("cx53", 16, 32, 320, "17.49")};
  catalogue.images = {{"debian-10", "10", "debian", "10", "x86_64", {}, 0, retired},
                      {"debian-12", "12", "debian", "12", "x86_64", {}, 0, {}},
                      {"ubuntu-24.04", "24", "ubuntu", "24.04", "x86_64", {}, 0, {}}};
}

std::string MemoryCloud::add_stranger(const std::string& name, const std::string& size_name) {
  const std::string id = std::to_string(++last_id);
  Machine machine;
  machine.server.id = id;
  machine.server.name = name;
  machine.server.state = CloudServer::State::Running;
  machine.server.size = size_name;
  machine.server.region = "fsn1";
  machine.server.addresses = {{CloudAddress::Reach::Public, "203.0.113." + id}};
  const auto at = std::ranges::find(catalogue.sizes, size_name, &SizeOffer::name);
  machine.server.cpu_millis = at->cpus * 1000;
  machine.server.memory_bytes = at->memory_bytes;
  machine.server.disk_bytes = at->disk_bytes;
  machine.server.monthly = at->places.front().monthly;
  machines.emplace(id, machine);
  return id;
}

void MemoryCloud::pass_time() {
  const Instant now = clock.now();
  std::erase_if(machines, [&](const auto& entry) { return entry.second.going && entry.second.busy_until <= now; });
  for (auto& [id, address] : addresses) {
    if (!machines.contains(address.server)) address.server.clear();
  }
  for (auto& [id, machine] : machines) {
    if (machine.server.busy && machine.busy_until <= now) {
      machine.server.busy = false;
      machine.server.state = machine.next;
    }
    const bool running = machine.server.state == CloudServer::State::Running && !machine.server.busy;
    if (running && machine.running_since == Instant{}) machine.running_since = now;
    if (running && machine.server.addresses.empty() && machine.running_since + addressing <= now)
      machine.server.addresses = {{CloudAddress::Reach::Public, "203.0.113." + id}};
    if (running && machine.builds && machine.off_at == Instant{}) machine.off_at = now + build;
    if (running && machine.off_at != Instant{} && machine.off_at <= now) {
      machine.server.state = CloudServer::State::Off;
      machine.built = true;
    }
  }
  for (auto& [id, picture] : images) {
    if (picture.image.state == CloudImage::State::Making && picture.done_at <= now)
      picture.image.state = CloudImage::State::Available;
    if (picture.image.busy && picture.copied_at <= now) {
      picture.image.busy = false;
      picture.image.regions.push_back(picture.copying_to);
    }
  }
}

std::vector<std::string> MemoryCloud::names() {
  pass_time();
  std::vector<std::string> all;
  for (const auto& [id, machine] : machines) {
    if (!machine.going) all.push_back(machine.server.name);
  }
  std::ranges::sort(all);
  return all;
}

std::vector<std::string> MemoryCloud::image_contents() {
  std::vector<std::string> all;
  for (const auto& [id, picture] : images) {
    if (picture.image.mark) all.push_back(picture.image.content);
  }
  std::ranges::sort(all);
  return all;
}

MemoryCloud::Machine* MemoryCloud::find(const std::string& name) {
  pass_time();
  for (auto& [id, machine] : machines) {
    if (machine.server.name == name && !machine.going) return &machine;
  }
  return nullptr;
}

std::unique_ptr<providers::Provider> connect(MemoryCloud& cloud, world::Lifeline& line) {
  return std::make_unique<Connection>(cloud, line);
}

}  // namespace gantry::reconcilers
