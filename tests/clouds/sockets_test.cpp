// The same over a real socket and through cpprestsdk: what a controller does when its Provider has an endpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/cpprest_transport.hpp"
#include "controller/base/random.hpp"
#include "providers/digitalocean/digitalocean.hpp"
#include "providers/hetzner/hetzner.hpp"
#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/hetzner.hpp"
#include "tests/emulators/server.hpp"

namespace gantry::clouds {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class Emulator>
class Sockets : public ::testing::Test {
 protected:
  Sockets() {
    cloud.pace.create = std::chrono::milliseconds(200);
    cloud.pace.visible = {};
    client_thread = std::thread([this] { client.run(); });
  }
  ~Sockets() override {
    provider.reset();
    client.stop();
    client_thread.join();
    EXPECT_THAT(server.there([this] { return cloud.breaches(); }), IsEmpty());
  }
  template <class T>
  T run(Task<T> task) {
    std::promise<T> promise;
    client.spawn([](Task<T> one, std::promise<T>& result) -> Task<> {
      std::exception_ptr failure;
      try {
        result.set_value(co_await std::move(one));
      } catch (...) {
        failure = std::current_exception();
      }
      if (failure) result.set_exception(failure);
    }(std::move(task), promise));
    return promise.get_future().get();
  }

  Reactor vendor{"vendor", system_clock()};
  Emulator cloud{vendor};
  emulators::EmulatorServer server{vendor, cloud};
  Reactor client{"client", system_clock()};
  std::thread client_thread;
  InlineBlocking blocking;
  SeededRandom random{7};
  http::CpprestTransport transport{client};
  std::unique_ptr<providers::Provider> provider;
};

using OverSockets = Sockets<emulators::DigitalOcean>;

TEST_F(OverSockets, AServerIsMadeAndFound) {
  provider = providers::digitalocean::make(
      {client, blocking, random, transport},
      {.name = "a/do", .endpoint = server.url(), .region = {}, .credentials = {{"token", Secret(cloud.token)}}});
  const auto operation = run(provider->create_server({.mark = {"uid-1", "server"},
                                                      .token = {},
                                                      .name = "web-1",
                                                      .size = "s-1vcpu-1gb",
                                                      .region = "lon1",
                                                      .image = "debian-12-x64"}));
  while (run(provider->poll({operation.id})).at(0).state == providers::Progress::State::Running) {
  }
  EXPECT_THAT(run(provider->servers_of({"uid-1", "server"})), SizeIs(1));
  EXPECT_TRUE(provider->rate_limit());
}

using OverSocketsToHetzner = Sockets<emulators::Hetzner>;

TEST_F(OverSocketsToHetzner, AServerIsMadeAndFound) {
  provider = providers::hetzner::make({client, blocking, random, transport},
                                      {.name = "a/hetzner",
                                       .endpoint = server.url() + "/v1",
                                       .region = {},
                                       .credentials = {{"token", Secret(cloud.token)}}});
  const auto operation = run(provider->create_server({.mark = {"uid-1", "server"},
                                                      .token = {},
                                                      .name = "web-1",
                                                      .size = "cx23",
                                                      .region = "fsn1",
                                                      .image = "debian-12"}));
  while (run(provider->poll({operation.id})).at(0).state == providers::Progress::State::Running) {
  }
  EXPECT_THAT(run(provider->servers_of({"uid-1", "server"})), SizeIs(1));
}

}  // namespace
}  // namespace gantry::clouds
