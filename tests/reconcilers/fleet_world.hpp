// Apps on Servers, with nothing left out between them: the real reconcilers of both over a cloud of machines on which
// agents answer as soon as they run, and forget what ran when the machine is made anew.
#pragma once

#include "tests/reconcilers/app_world.hpp"
#include "tests/reconcilers/cloud_world.hpp"

namespace gantry::reconcilers {

class FleetWorld {
  // One Server's share of what runs.
  class OneHost final : public providers::WorkloadHost {
   public:
    OneHost(app::Machine& machine, std::string server) : machine_(machine), server_(std::move(server)) {}
    Task<std::vector<providers::Instance>> list(std::string) override {
      std::vector<providers::Instance> found;
      for (const auto& [id, one] : machine_.instances) {
        if (one.server == server_) found.push_back(one);
      }
      co_return found;
    }
    void on_change(OnChange callback) override { machine_.listeners.push_back(std::move(callback)); }
    Task<providers::Instance> start(providers::InstanceSpec) override { throw Error(ErrorCode::Internal, "test"); }
    Task<> stop(std::string) override { throw Error(ErrorCode::Internal, "test"); }
    Task<> remove(std::string, bool) override { throw Error(ErrorCode::Internal, "test"); }
    Task<std::unique_ptr<providers::LogReader>> logs(std::string, providers::LogQuery) override { co_return nullptr; }
    Task<std::string> log_tail(std::string, std::size_t) override { co_return ""; }
    Task<std::string> ensure_image(std::string) override { co_return ""; }

   private:
    app::Machine& machine_;
    std::string server_;
  };

 public:
  explicit FleetWorld(world::WorldOptions options = {}, const std::string& count = {})
      : house(std::move(options), count, [this](world::World& within, world::Process& process) {
          app::serve_apps(machine, parts, within, process);
        }) {
    house.hosts.host_of = [this](const std::string& server) { return std::make_shared<OneHost>(machine, server); };
  }

  void server(const std::string& name, const std::string& labels = "", const std::string& more = "") {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
                (labels.empty() ? "" : ", labels: {" + labels + "}") +
                "}\nspec: {providerRef: {name: cloud}, size: cx23, image: debian-12" + more + "}\n");
  }
  void app(int replicas, const std::string& placement, const std::string& more = app::kRoute) {
    world.apply(app::hello("serve", replicas) + "  placement: " + placement + "\n" + more);
  }
  // Time goes by, and the agents live with their machines.
  void live(Duration duration) {
    using namespace std::chrono_literals;
    for (Duration passed{}; passed < duration; passed += 1s) {
      world.advance(1s);
      agents();
      in_doubt_served = in_doubt_served || machine.cut_off;
    }
  }
  std::vector<std::size_t> counts(const std::vector<std::string>& servers) const {
    std::vector<std::size_t> all;
    for (const auto& server : servers) all.push_back(machine.on("default/" + server).size());
    return all;
  }
  // "web-1: Ready 1/1", ...
  std::vector<std::string> placements() {
    std::vector<std::string> all;
    const json::Value object = world.get("App/hello");
    const json::Value* list = object.at({"status", "placements"});
    for (const auto& one : list && list->is_array() ? list->as_array() : json::Array())
      all.push_back(one.string_or("server") + ": " + one.string_or("state") + " " +
                    std::to_string(one.int_or("readyReplicas", 0)) + "/" + std::to_string(one.int_or("replicas", 0)));
    return all;
  }
  std::string problem_on(const std::string& server) {
    const json::Value object = world.get("App/hello");
    const json::Value* list = object.at({"status", "placements"});
    for (const auto& one : list && list->is_array() ? list->as_array() : json::Array()) {
      if (one.string_or("server") == server) return one.string_or("message");
    }
    return "";
  }
  std::vector<std::string> servers() {
    std::vector<std::string> names;
    for (const auto& object : world.list("Server")) names.push_back(object->key().name);
    return names;
  }

  app::Machine machine;
  app::Parts parts;
  CloudWorld house;
  world::World& world = house.world;
  MemoryCloud& cloud = house.cloud;
  std::set<std::string> dead;       // agents that say nothing although their machines run
  std::vector<std::string> killed;  // whose machine went, or went off, under them
  bool in_doubt_served = false;

 private:
  void agents() {
    cloud.pass_time();
    for (const auto& [server, endpoint] : std::map(house.hosts.endpoints)) {
      const MemoryCloud::Machine* box = nullptr;
      for (const auto& [id, one] : cloud.machines) {
        if (!one.going && one.server.addresses.front().address == endpoint.address) box = &one;
      }
      const bool up = box && box->server.state == providers::CloudServer::State::Running && !box->server.busy;
      if (!up) end_all(server);
      auto& contact = house.hosts.contacts[server];
      const bool answers = up && !dead.contains(server);
      if (answers) {
        machine.reached.insert(server);
        machine.silent.erase(server);
      } else if (machine.reached.contains(server)) {
        machine.silent.insert(server);
      }
      if (answers) contact.last_heard = world.clock.wall();
      if (contact.connected == answers) continue;
      contact.connected = answers;
      contact.ever = contact.ever || answers;
      contact.version = "1.2.3";
      contact.problem = answers ? "" : "nothing was heard of it";
      if (!answers) contact.silent_since = world.clock.now();
      house.hosts.listener(server);
      for (const auto& [id, one] : machine.instances) {
        if (one.server == server) machine.tell(one.owner_uid);
      }
    }
    for (const auto& server : std::set(machine.reached)) {
      if (house.hosts.endpoints.contains(server)) continue;
      end_all(server);
      machine.reached.erase(server);
      std::erase_if(machine.instances, [&](const auto& entry) { return entry.second.server == server; });
    }
    world.settle();
  }
  void end_all(const std::string& server) {
    for (const auto* one : machine.on(server)) {
      killed.push_back(one->id);
      machine.end(one->id, 137, world.clock.wall());
    }
  }
};

}  // namespace gantry::reconcilers
