// The house in a bottle with a real provider in it, whose vendor is emulated: every call of a controller to its API and
// to the vendor passes its lifeline, and can be refused, lost, or cut off by the controller's death.
#pragma once

#include <gmock/gmock.h>

#include <deque>

#include "tests/clouds/account_test.hpp"
#include "tests/reconcilers/cloud_reconcilers.hpp"

namespace gantry::lives {

// A controller's line to the vendor.
class MortalTransport final : public http::Transport {
 public:
  MortalTransport(http::Transport& network, world::Lifeline& line) : network_(network), line_(line) {}
  Task<http::Response> send(http::Request request) override {
    const std::string name = "vendor " + request.method + " " + request.url;
    co_return co_await line_.pass<http::Response>(name, [this, &request] { return network_.send(request); });
  }

 private:
  http::Transport& network_;
  world::Lifeline& line_;
};

// The vendor's front door: which account is meant, the token says; a wrong one is refused by the first.
class FrontDoor final : public http::Transport {
 public:
  void add(emulators::Emulator& account) { accounts_.push_back({&account, emulators::EmulatorTransport(account)}); }
  Task<http::Response> send(http::Request request) override {
    for (auto& [account, way] : accounts_) {
      for (const auto& [name, value] : request.headers) {
        if (value == "Bearer " + account->token) co_return co_await way.send(std::move(request));
      }
    }
    co_return co_await accounts_.front().second.send(std::move(request));
  }

 private:
  std::deque<std::pair<emulators::Emulator*, emulators::EmulatorTransport>> accounts_;
};

template <class Vendor>
class EmulatedWorld : public reconcilers::CloudReconcilers {
 public:
  explicit EmulatedWorld(world::WorldOptions options)
      : world(with_setup(std::move(options))),
        vendor(*(vendor_ = std::make_unique<typename Vendor::Emulator>(world.reactor))) {
    network_.add(vendor);
    world.restart();
    use_token(vendor.token);
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: cloud}\nspec: {type: " +
                std::string(Vendor::type) + ", region: " + std::string(Vendor::region) +
                ", credentials: {secretRef: {name: token}}}\n");
  }

  void use_token(const std::string& token) {
    world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {token: " + token + "}\n");
  }
  // Somebody else's, or another project: empty.
  typename Vendor::Emulator& open_another_account(const std::string& token) {
    another_ = std::make_unique<typename Vendor::Emulator>(world.reactor, token);
    another_->number_from(900'000);
    network_.add(*another_);
    return *another_;
  }
  void server(const std::string& name, const std::string& from, bool agent = false) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
                "}\nspec: {providerRef: {name: cloud}, agent: {enabled: " + (agent ? "true" : "false") +
                "}, size: " + std::string(Vendor::size) + ", " + from + "}\n");
  }
  void snapshot(const std::string& name, const std::string& from) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: " + name +
                "}\nspec: {providerRef: {name: cloud}, " + from + "}\n");
  }

 private:
  // Made after the world, whose time they have, and gone after it: its end lets calls under way finish.
  std::unique_ptr<typename Vendor::Emulator> vendor_;
  std::unique_ptr<typename Vendor::Emulator> another_;
  FrontDoor network_;

 public:
  world::World world;
  typename Vendor::Emulator& vendor;

 private:
  world::WorldOptions with_setup(world::WorldOptions options) {
    options.start = false;  // not before there is a vendor
    options.setup = [this](world::World& house, world::Process& process) {
      auto line = std::make_shared<MortalTransport>(network_, process.line);
      serve(house, process, *line, {{Vendor::type, Vendor::make}}, {}, line);
    };
    return options;
  }
};

}  // namespace gantry::lives
