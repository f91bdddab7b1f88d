// The world with a cloud in it: Providers, Servers and Snapshots, each controller with its own accounts.
#pragma once

#include <gmock/gmock.h>

#include "tests/reconcilers/cloud_reconcilers.hpp"
#include "tests/reconcilers/memory_cloud.hpp"

namespace gantry::reconcilers {

struct NoNetwork final : http::Transport {
  Task<http::Response> send(http::Request) override {
    throw Error(ErrorCode::Unavailable, "test: there is no network");
    co_return http::Response{};
  }
};

class CloudWorld : public CloudReconcilers {
 public:
  // count: whose calls have numbers, as FaultPlan::only; from the very first one on.
  // also: what else each controller serves.
  explicit CloudWorld(world::WorldOptions options = {}, const std::string& count = {},
                      std::function<void(world::World&, world::Process&)> also = {})
      : also_(std::move(also)),
        world(with_setup(std::move(options))),
        cloud(*(sky_ = std::make_unique<MemoryCloud>(world.clock))) {
    world.faults.only = count;
    world.restart();
    world.apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: Provider
metadata: {name: cloud}
spec: {type: hetzner, region: fsn1}
)");
    world.settle();
  }

  void server(const std::string& name, const std::string& spec = "size: cx23, image: debian-12",
              const std::string& external_name = {}) {
    const std::string named =
        external_name.empty() ? "" : ", annotations: {gantry.dev/external-name: \"" + external_name + "\"}";
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name + named +
                "}\nspec: {providerRef: {name: cloud}, agent: {enabled: false}, " + spec + "}\n");
  }
  void snapshot(const std::string& name, const std::string& spec) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: " + name +
                "}\nspec: {providerRef: {name: cloud}, " + spec + "}\n");
  }
  void limit(const std::string& limits) { world.patch("Provider/cloud", R"({"spec":{"limits":)" + limits + "}}"); }
  // What would be done if the object were so.
  std::string plan(const std::string& name, const json::Value& desired) {
    return json::dump(world.run(world.plane().plan({{world.key(name), world.find(name), desired}})).front());
  }
  std::string state(const std::string& name, const std::string& type) {
    return world.condition(name, type) + "/" + world.reason(name, type);
  }
  std::string annotation(const std::string& name, const std::string& key) {
    const json::Value object = world.get(name);
    const json::Value* value = object.at({"metadata", "annotations", "gantry.dev/" + key});
    return value ? value->as_string() : "";
  }

  provider::AccountOptions account_options;
  NoNetwork network;

 private:
  std::function<void(world::World&, world::Process&)> also_;
  std::unique_ptr<MemoryCloud> sky_;  // made after the world, whose clock it has, and gone after it

 public:
  world::World world;
  MemoryCloud& cloud;

 private:
  world::WorldOptions with_setup(world::WorldOptions options) {
    options.start = false;  // not before there is a cloud
    options.setup = [this](world::World& house, world::Process& process) {
      serve(
          house, process, network,
          {{"hetzner", [this, &process](const providers::ProviderParts&,
                                        const providers::ProviderSettings&) { return connect(cloud, process.line); }}},
          account_options);
      if (also_) also_(house, process);
    };
    return options;
  }
};

}  // namespace gantry::reconcilers
