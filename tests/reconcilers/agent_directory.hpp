// The directory of agents, for which the test speaks.
#pragma once

#include <map>
#include <string>

#include "providers/host_directory.hpp"
#include "tests/world/world.hpp"

namespace gantry::reconcilers {

struct AgentDirectory final : providers::HostDirectory {
  void keep(const std::string& server, const providers::AgentEndpoint& endpoint) override {
    endpoints.insert_or_assign(server, endpoint);
  }
  bool keeps(const std::string& server, const providers::AgentEndpoint& endpoint) const override {
    const auto at = endpoints.find(server);
    return at != endpoints.end() && at->second == endpoint;
  }
  void forget(const std::string& server) override { endpoints.erase(server); }
  std::optional<providers::AgentContact> contact(const std::string& server) const override {
    const auto at = contacts.find(server);
    if (!endpoints.contains(server)) return std::nullopt;
    return at == contacts.end() ? providers::AgentContact{} : at->second;
  }
  std::shared_ptr<providers::WorkloadHost> find_host(const std::string& server) const override {
    return host_of && endpoints.contains(server) ? host_of(server) : nullptr;
  }
  Task<json::Value> health(std::string) override {
    json::Object said{
        {"capacity", json::Object{{"cpuMillis", 2000}, {"memoryBytes", 4LL << 30}, {"diskBytes", 80LL << 30}}},
        {"usage", json::Object{{"cpuMillis", cpu_millis}, {"memoryBytes", 1LL << 30}, {"diskBytes", 8LL << 30}}}};
    if (awake) said.set("awake", *awake);
    co_return said;
  }
  Task<json::Value> keep_awake(std::string, bool keep) override {
    awake->set("wanted", keep);
    awake->set("held", keep && json::Value(*awake).string_or("problem").empty());
    co_return json::Value(*awake);
  }
  void on_contact(std::function<void(const std::string&)> callback) override { listener = std::move(callback); }

  void reach(world::World& world, const std::string& version = "1.2.3") {
    contacts["default/web-1"] = {.connected = true, .ever = true, .last_heard = world.clock.wall(), .version = version};
    listener("default/web-1");
    world.settle();
  }
  void lose(world::World& world, const std::string& problem, bool refused = false) {
    auto& contact = contacts["default/web-1"];
    contact.connected = false;
    contact.silent_since = world.clock.now();
    contact.problem = problem;
    contact.refused = refused;
    listener("default/web-1");
    world.settle();
  }

  // What runs on a Server, for tests in which something does.
  std::function<std::shared_ptr<providers::WorkloadHost>(const std::string& server)> host_of;
  int cpu_millis = 100;  // that each uses, of 2000
  std::map<std::string, providers::AgentEndpoint> endpoints;
  std::map<std::string, providers::AgentContact> contacts;
  std::function<void(const std::string&)> listener;
  std::optional<json::Object> awake;  // absent: an agent that knows nothing of it
};

}  // namespace gantry::reconcilers
