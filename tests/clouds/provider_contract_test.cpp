// What providers/provider.hpp promises, of every cloud.
#include "tests/clouds/account_test.hpp"

#include "controller/base/metrics.hpp"
#include "providers/money.hpp"

namespace gantry::clouds {
namespace {

using providers::CloudServer;
using providers::FirewallRule;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using namespace std::chrono_literals;

template <class Cloud>
class ProviderContract : public AccountTest<Cloud> {};
using Clouds = ::testing::Types<DigitalOcean, Hetzner>;
TYPED_TEST_SUITE(ProviderContract, Clouds);

TYPED_TEST(ProviderContract, AServerIsMadeFoundAndRemovedAgain) {
  const Operation operation = this->run(this->provider->create_server(this->order("web-1", "uid-1")));
  EXPECT_FALSE(operation.target.empty());
  EXPECT_EQ(this->run(this->provider->poll({operation.id})).at(0).state, Progress::State::Running);
  EXPECT_EQ(this->finish(operation).state, Progress::State::Done);

  const auto found = this->run(this->provider->servers_of({"uid-1", "server"}));
  ASSERT_THAT(found, SizeIs(1));
  const CloudServer& server = found[0];
  EXPECT_EQ(server.id, operation.target);
  EXPECT_EQ(server.mark, (Mark{"uid-1", "server"}));
  EXPECT_EQ(server.state, CloudServer::State::Running);
  EXPECT_FALSE(server.busy);
  EXPECT_EQ(server.size, TypeParam::size);
  EXPECT_EQ(server.region, TypeParam::region);
  EXPECT_EQ(server.image, TypeParam::image);
  ASSERT_FALSE(server.addresses.empty());
  EXPECT_EQ(server.addresses[0].reach, providers::CloudAddress::Reach::Public);
  EXPECT_GT(server.monthly.value_or(providers::Money{}).micros, 0);
  EXPECT_THAT(TypeParam::user_data_of(this->cloud), HasSubstr("agent-key-of-uid-1"));

  EXPECT_EQ(this->finish(this->run(this->provider->remove_server(server.id))).state, Progress::State::Done);
  this->pass(10s);
  EXPECT_FALSE(this->run(this->provider->find_server(server.id)));
  EXPECT_NO_THROW(this->run(this->provider->remove_server(server.id))) << "removing what is gone is fine";
  EXPECT_EQ(this->refused(this->provider->power(server.id, Provider::Power::Off)), ErrorCode::NotFound);
}

TYPED_TEST(ProviderContract, WhatWasMadeWithoutAnAnswerIsFoundByItsMark) {
  this->cloud.expect({How::LostAfter, std::string("POST ") + TypeParam::servers});
  EXPECT_EQ(this->refused(this->provider->create_server(this->order("web-1", "uid-1"))), ErrorCode::Timeout);
  EXPECT_EQ(this->cloud.calls(std::string("POST ") + TypeParam::servers), 1U)
      << "a create is never sent again by itself";
  this->pass(this->provider->capabilities().visible_within);
  EXPECT_THAT(this->run(this->provider->servers_of({"uid-1", "server"})), SizeIs(1));
  EXPECT_THAT(this->run(this->provider->servers_of({"uid-1", "builder"})), IsEmpty());
  EXPECT_THAT(this->run(this->provider->servers_of({"uid-2", "server"})), IsEmpty());
}

TYPED_TEST(ProviderContract, NothingIsSentAgainButWhatChangesNothing) {
  for (const How how : {How::Broken, How::BadGateway, How::LostBefore}) {
    this->cloud.forget_calls();
    this->cloud.expect({how, "GET ", 0, 2});
    EXPECT_NO_THROW(this->run(this->provider->observe()));
    this->cloud.expect({how, "GET ", 0, 3});
    const ErrorCode code = this->refused(this->provider->observe());
    EXPECT_TRUE(traits(code).retryable);
    for (const std::string method : {"POST ", "DELETE "}) {
      this->cloud.forget_calls();
      this->cloud.expect({how, method});
      if (method == "POST ") {
        this->refused(this->provider->create_server(this->order("web-1", "uid-1")));
      } else {
        this->refused(this->provider->remove_server("4711"));
      }
      EXPECT_EQ(this->cloud.calls(method), 1U);
    }
    this->cloud.leave_in_peace();
  }
}

TYPED_TEST(ProviderContract, AThousandServersAreSweptInAHandfulOfCalls) {
  for (int i = 0; i < 1000; ++i)
    TypeParam::mark_as(this->cloud, "web-" + std::to_string(i), {"uid-" + std::to_string(i), "server"});
  const auto inventory = this->run(this->provider->observe());
  EXPECT_THAT(inventory.servers, SizeIs(1000));
  EXPECT_LE(this->cloud.log().size(), TypeParam::sweep_of_a_thousand);
  EXPECT_EQ(static_cast<std::size_t>(inventory.calls), this->cloud.log().size());
  this->RecordProperty("calls", inventory.calls);
  std::printf("[  calls   ] a sweep of 1,000 servers: %d\n", inventory.calls);
}

// Each has a firewall of its own: DigitalOcean's pages of them come on top. (A Hetzner project has 50 at most by
// default.)
TYPED_TEST(ProviderContract, FirewallsAreListedByThePageToo) {
  const std::size_t firewalls = TypeParam::firewalls_at_most;
  for (std::size_t i = 0; i < 1000; ++i)
    TypeParam::mark_as(this->cloud, "web-" + std::to_string(i), {"uid-" + std::to_string(i), "server"});
  for (std::size_t i = 0; i < firewalls; ++i)
    TypeParam::place_firewall(this->cloud, {"uid-" + std::to_string(i), "server"});
  const auto inventory = this->run(this->provider->observe());
  EXPECT_THAT(inventory.firewalls, SizeIs(firewalls));
  EXPECT_EQ(static_cast<std::size_t>(inventory.calls), TypeParam::sweep_with_firewalls);
  std::printf("[  calls   ] a sweep of 1,000 servers with %zu firewalls: %d\n", firewalls, inventory.calls);
}

TYPED_TEST(ProviderContract, APartIsNotTakenForTheWhole) {
  for (int i = 0; i < 3; ++i)
    TypeParam::mark_as(this->cloud, "web-" + std::to_string(i), {"uid-" + std::to_string(i), "server"});
  this->cloud.expect({How::WrongTotal, std::string("GET ") + TypeParam::servers});
  EXPECT_THAT(this->run(this->provider->observe()).servers, SizeIs(3)) << "read once more";
  this->cloud.expect({How::WrongTotal, std::string("GET ") + TypeParam::servers, 0, 2});
  std::string message;
  EXPECT_EQ(this->refused(this->provider->observe(), &message), ErrorCode::Unavailable);
  EXPECT_THAT(message, HasSubstr("2 of 3"));
}

TYPED_TEST(ProviderContract, AfterARefusalForTooManyCallsNoneIsMadeBeforeItsTime) {
  this->cloud.expect({How::TooMany, std::string("POST ") + TypeParam::servers});
  try {
    this->run(this->provider->create_server(this->order("web-1", "uid-1")));
    FAIL() << "it was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::RateLimited);
    ASSERT_TRUE(error.retry_after);
    EXPECT_GT(*error.retry_after, 5s);
  }
  const std::size_t calls = this->cloud.log().size();
  EXPECT_EQ(this->refused(this->provider->account()), ErrorCode::RateLimited);
  EXPECT_EQ(this->cloud.log().size(), calls);
  this->pass(11s);
  EXPECT_NO_THROW(this->run(this->provider->account()));
}

TYPED_TEST(ProviderContract, OutOfRoomIsForLaterAndAQuotaIsNot) {
  this->cloud.expect({How::NoRoom, std::string("POST ") + TypeParam::servers});
  try {
    this->run(this->provider->create_server(this->order("web-1", "uid-1")));
    FAIL() << "there was no room";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_TRUE(error.retry_after);
  }
  this->cloud.expect({How::FailsLater, std::string("POST ") + TypeParam::servers});
  const Operation operation = this->run(this->provider->create_server(this->order("web-1", "uid-1")));
  const Progress progress = this->finish(operation);
  EXPECT_EQ(progress.state, Progress::State::Failed);
  EXPECT_TRUE(progress.capacity);
  EXPECT_FALSE(progress.problem.empty());
  EXPECT_THAT(this->run(this->provider->servers_of({"uid-1", "server"})), IsEmpty());

  TypeParam::allow(this->cloud, 0);
  std::string message;
  EXPECT_EQ(this->refused(this->provider->create_server(this->order("web-1", "uid-1")), &message),
            ErrorCode::QuotaExceeded);
  EXPECT_THAT(message, AllOf(HasSubstr("limit"), HasSubstr("request")));
}

TYPED_TEST(ProviderContract, AWrongTokenIsSaidAndNeverShown) {
  const std::string token = "secret-that-nobody-may-see";
  this->sign_in(token);
  std::string message;
  EXPECT_EQ(this->refused(this->provider->account(), &message), ErrorCode::Unauthorized);
  EXPECT_THAT(message, Not(HasSubstr(token)));
  for (const auto& call : this->provider->calls(10)) EXPECT_THAT(call.problem, Not(HasSubstr(token)));
  this->cloud.token = token;  // the other side was told
  EXPECT_FALSE(this->run(this->provider->account()).name.empty());
  EXPECT_THROW(this->sign_in(""), Error);
}

TYPED_TEST(ProviderContract, ATokenDoesNotCrossTheNetworkInClearText) {
  const providers::ProviderParts parts{this->reactor, this->blocking, this->random, this->transport};
  const auto at = [&](const std::string& endpoint) {
    return TypeParam::make(
        parts, {.name = "a/b", .endpoint = endpoint, .region = {}, .credentials = {{"token", Secret("tokentoken")}}});
  };
  EXPECT_THROW(at("http://cloud.example.org"), Error);
  EXPECT_THROW(at("http://127.0.0.1.example.org"), Error);
  EXPECT_THROW(at("ftp://127.0.0.1"), Error);
  EXPECT_NO_THROW(at("http://127.0.0.1:8080"));
  EXPECT_NO_THROW(at("https://cloud.example.org/"));
}

TYPED_TEST(ProviderContract, AFirewallFollowsItsMarkAndIsPutOnlyWhenItDiffers) {
  const Mark mark{"uid-1", "server"};
  const FirewallRule web{.protocol = "tcp", .first_port = 80, .last_port = 80, .from = {"0.0.0.0/0", "::/0"}};
  const FirewallRule range{.protocol = "udp", .first_port = 8000, .last_port = 8010, .from = {"10.0.0.0/8"}};
  const FirewallRule ping{.protocol = "icmp", .first_port = 0, .last_port = 0, .from = {"0.0.0.0/0"}};
  this->run(this->provider->put_firewall(mark, "gantry-web-1", {web, range, ping}));
  this->make_server("web-1", mark.uid);
  auto inventory = this->run(this->provider->observe());
  ASSERT_THAT(inventory.firewalls, SizeIs(1));
  EXPECT_EQ(inventory.firewalls[0].mark, mark);
  EXPECT_TRUE(inventory.firewalls[0].applied);
  EXPECT_THAT(inventory.firewalls[0].rules, ElementsAre(ping, web, range));

  this->cloud.forget_calls();
  this->run(this->provider->put_firewall(mark, "gantry-web-1", {ping, range, web}));
  EXPECT_EQ(this->cloud.calls("POST") + this->cloud.calls("PUT"), 0U) << "the same again changes nothing";
  this->run(this->provider->put_firewall(mark, "gantry-web-1", {web}));
  inventory = this->run(this->provider->observe());
  ASSERT_THAT(inventory.firewalls, SizeIs(1)) << "one for each mark";
  EXPECT_THAT(inventory.firewalls[0].rules, ElementsAre(web));

  const std::string id = inventory.firewalls[0].id;
  EXPECT_EQ(this->refused(this->provider->remove_firewall(id)), ErrorCode::Conflict);
  this->run(this->provider->remove_server(inventory.servers[0].id));
  this->pass(10s);
  this->run(this->provider->remove_firewall(id));
  this->run(this->provider->remove_firewall(id));
  EXPECT_THAT(this->run(this->provider->observe()).firewalls, IsEmpty());
}

TYPED_TEST(ProviderContract, AnImageIsMadeOfAServerThatIsOffAndServersStartFromIt) {
  const CloudServer builder = this->make_server("builder", "uid-1");
  this->finish(this->run(this->provider->power(builder.id, Provider::Power::Shutdown)));
  this->pass(10s);
  EXPECT_EQ(this->run(this->provider->find_server(builder.id))->state, CloudServer::State::Off);
  EXPECT_NO_THROW(this->run(this->provider->power(builder.id, Provider::Power::Off))) << "off is off";
  this->pass(10s);

  const Mark mark{"uid-9", "image"};
  const Operation operation = this->run(
      this->provider->create_image({.mark = mark, .name = "base docker", .content = "0a1b2c", .server = builder.id}));
  EXPECT_EQ(this->refused(this->provider->create_image(
                {.mark = mark, .name = "twin", .content = "0a1b2c", .server = builder.id})),
            ErrorCode::Conflict)
      << "an action runs";
  EXPECT_EQ(this->finish(operation).state, Progress::State::Done);
  const auto images = this->run(this->provider->images_of(mark));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].name, "base docker");
  EXPECT_EQ(images[0].content, "0a1b2c");
  EXPECT_EQ(images[0].state, providers::CloudImage::State::Available);
  EXPECT_GT(images[0].size_bytes, 1 << 30);

  if (this->provider->capabilities().image_regions) {
    EXPECT_THAT(images[0].regions, ElementsAre(TypeParam::region));
    for (const auto& region : this->run(this->provider->catalogue()).regions) {
      if (region.available)
        EXPECT_EQ(this->finish(this->run(this->provider->copy_image(images[0].id, region.name))).state,
                  Progress::State::Done);
    }
    EXPECT_THAT(this->run(this->provider->find_image(images[0].id))->regions, SizeIs(10));
  }
  auto wanted = this->order("web-1", "uid-2");
  wanted.image = images[0].id;
  wanted.own_image = true;
  const Operation started = this->run(this->provider->create_server(wanted));
  EXPECT_EQ(this->finish(started).state, Progress::State::Done);
  EXPECT_EQ(this->run(this->provider->find_server(started.target))->image_id, images[0].id);

  this->run(this->provider->remove_image(images[0].id));
  this->run(this->provider->remove_image(images[0].id));
  EXPECT_EQ(TypeParam::images_made(this->cloud), 0U);
}

TYPED_TEST(ProviderContract, AServerIsResizedWhenItIsOff) {
  const CloudServer server = this->make_server("web-1", "uid-1");
  EXPECT_NE(this->refused(this->provider->resize(server.id, TypeParam::bigger)), ErrorCode::Internal) << "it runs";
  this->finish(this->run(this->provider->power(server.id, Provider::Power::Off)));
  EXPECT_EQ(this->finish(this->run(this->provider->resize(server.id, TypeParam::bigger))).state, Progress::State::Done);
  this->finish(this->run(this->provider->power(server.id, Provider::Power::On)));
  const auto now = this->run(this->provider->find_server(server.id));
  EXPECT_EQ(now->size, TypeParam::bigger);
  EXPECT_EQ(now->state, CloudServer::State::Running);
}

TYPED_TEST(ProviderContract, WhatSomebodyElseMadeIsAdoptedByMarkingIt) {
  this->cloud.place("by-hand", {});
  const auto before = this->run(this->provider->observe()).servers;
  ASSERT_THAT(before, SizeIs(1));
  EXPECT_FALSE(before[0].mark);
  this->run(this->provider->mark_server(before[0].id, {"uid-1", "server"}));
  EXPECT_THAT(this->run(this->provider->servers_of({"uid-1", "server"})),
              ElementsAre(Field(&CloudServer::id, before[0].id)));
}

TYPED_TEST(ProviderContract, AServerIsMadeInANetworkThatIsThereByNameOrId) {
  const std::string id = TypeParam::place_network(this->cloud, "backend");
  for (const std::string& word : {std::string("backend"), id}) {
    auto wanted = this->order("in-" + word.substr(0, 3), "uid-" + word);
    wanted.network = word;
    const Operation operation = this->run(this->provider->create_server(wanted));
    EXPECT_EQ(this->finish(operation).state, Progress::State::Done);
    const auto server = this->run(this->provider->find_server(operation.target));
    ASSERT_TRUE(server);
    EXPECT_THAT(server->networks, ElementsAre(id));
    EXPECT_THAT(server->addresses,
                ::testing::Contains(Field(&providers::CloudAddress::reach, providers::CloudAddress::Reach::Private)));
  }
  const std::size_t before = TypeParam::count(this->cloud);
  auto wanted = this->order("web-3", "uid-3");
  wanted.network = "frontend";
  std::string message;
  EXPECT_EQ(this->refused(this->provider->create_server(wanted), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, AllOf(HasSubstr("spec.network"), HasSubstr("\"frontend\""), HasSubstr("backend")));
  EXPECT_EQ(TypeParam::count(this->cloud), before) << "refused before anything was made";
}

TYPED_TEST(ProviderContract, ManyAtOnceLookTheirNetworkUpTogether) {
  TypeParam::place_network(this->cloud, "backend");
  std::vector<Task<>> tasks;
  for (int i = 0; i < 20; ++i) {
    auto wanted = this->order("web-" + std::to_string(i), "uid-" + std::to_string(i));
    wanted.network = "backend";
    tasks.push_back([](Provider& provider, providers::ServerOrder order) -> Task<> {
      co_await provider.create_server(std::move(order));
    }(*this->provider, std::move(wanted)));
  }
  this->run(this->together(std::move(tasks)));
  EXPECT_EQ(TypeParam::count(this->cloud), 20U);
  EXPECT_LE(this->cloud.calls("GET "), 2U);
}

TYPED_TEST(ProviderContract, AReservedAddressLeadsWhereItIsAssignedAndOutlivesTheServer) {
  TypeParam::place_address(this->cloud, "192.0.2.7");
  const auto look = [this] { return this->run(this->provider->reserved_addresses()).at(0); };
  EXPECT_EQ(look().address, "192.0.2.7");
  EXPECT_EQ(look().server, "");
  std::string last;
  for (const char* name : {"web-1", "web-2"}) {
    const CloudServer server = this->make_server(name, std::string("uid-of-") + name);
    this->run(this->provider->assign_address(look().id, server.id));
    this->pass(3s);
    EXPECT_EQ(look().server, server.id) << "from nobody, and from another";
    EXPECT_EQ(TypeParam::holder_of(this->cloud, "192.0.2.7"), server.id);
    last = server.id;
  }
  this->run(this->provider->remove_server(last));
  this->pass(10s);
  EXPECT_EQ(look().server, "") << "it is still the account's";
  EXPECT_EQ(this->refused(this->provider->assign_address(look().id, last)), ErrorCode::NotFound);
}

TYPED_TEST(ProviderContract, TwinsAreAllShown) {
  // A proxy of the vendor's sends the create a second time. Where names are unique the second is refused.
  this->cloud.expect({How::Twice, std::string("POST ") + TypeParam::servers});
  try {
    this->run(this->provider->create_server(this->order("web-1", "uid-1")));
  } catch (const Error& error) {
    EXPECT_TRUE(error.retryable());
  }
  this->pass(40s);
  EXPECT_EQ(this->run(this->provider->servers_of({"uid-1", "server"})).size(), TypeParam::count(this->cloud));
}

TYPED_TEST(ProviderContract, WhatCannotBeHadIsInvalidAndSaysWhy) {
  auto wanted = this->order("web-1", "uid-1");
  wanted.size = "enormous";
  std::string message;
  EXPECT_EQ(this->refused(this->provider->create_server(wanted), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, AllOf(HasSubstr("422"), HasSubstr("request-")));
  wanted = this->order("web-1", "uid-1");
  wanted.ssh_keys = {"nobody"};
  EXPECT_EQ(this->refused(this->provider->create_server(wanted), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("nobody"));
  EXPECT_EQ(TypeParam::count(this->cloud), 0U);
}

TYPED_TEST(ProviderContract, CallsAreRecordedAndCounted) {
  this->run(this->provider->account());
  this->refused(this->provider->power("4711", Provider::Power::Off));
  const auto calls = this->provider->calls(10);
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_THAT(calls[0].operation, HasSubstr("{id}/actions"));
  EXPECT_EQ(calls[0].status, 404);
  EXPECT_EQ(calls[0].about, "4711");
  EXPECT_FALSE(calls[0].request_id.empty());
  EXPECT_EQ(calls[1].status, 200);
  EXPECT_EQ(calls[1].elapsed, 50ms);
  ASSERT_TRUE(this->provider->rate_limit());
  EXPECT_GT(this->provider->rate_limit()->remaining, 3000);
  EXPECT_THAT(metrics::render(), AllOf(HasSubstr("gantry_provider_requests_total{code=\"404\",operation=\"POST"),
                                       HasSubstr("gantry_provider_rate_limit_remaining{provider=\"prod/cloud\"}")));
}

// Each server's whole way, as a reconciler goes it: look by the mark, create, poll, look.
template <class Test>
Task<> make_one(Test& test, Provider& provider, Reactor& reactor, providers::ServerOrder order) {
  (void)test;
  co_await provider.put_firewall(order.mark, "gantry-" + order.name,
                                 {{.protocol = "tcp", .first_port = 80, .last_port = 80, .from = {"0.0.0.0/0"}}});
  if (!(co_await provider.servers_of(order.mark)).empty()) co_return;
  const Operation operation = co_await provider.create_server(order);
  for (;;) {
    co_await sleep_for(reactor, provider.capabilities().poll_every);
    const auto progress = co_await provider.poll({operation.id});
    if (progress.at(0).state == Progress::State::Done) break;
    if (progress.at(0).state != Progress::State::Running) throw Error(ErrorCode::Internal, progress.at(0).problem);
  }
  const auto server = co_await provider.find_server(operation.target);
  if (!server || server->state != CloudServer::State::Running)
    throw Error(ErrorCode::Internal, order.name + " does not run");
}

TYPED_TEST(ProviderContract, FiftyServersAreMadeInTheTimeOfOne) {
  std::vector<Task<>> tasks;
  for (int i = 0; i < 50; ++i)
    tasks.push_back(make_one(*this, *this->provider, this->reactor,
                             this->order("web-" + std::to_string(i), "uid-" + std::to_string(i))));
  const Instant begun = this->reactor.now();
  this->run(this->together(std::move(tasks)));
  const double took = std::chrono::duration<double>(this->reactor.now() - begun).count();
  EXPECT_EQ(TypeParam::count(this->cloud), 50U);
  EXPECT_LT(took, 40) << "seconds, of which one server's create takes 30";
  std::printf("[  calls   ] 50 servers with their firewalls: %zu calls, %.1f s of simulated time\n",
              this->cloud.log().size(), took);
}

// Far more than the vendor allows: who cannot be served in time is told when to come back, and no call is refused.
TYPED_TEST(ProviderContract, AStampedeStaysWithinTheLimit) {
  std::size_t served = 0;
  std::size_t later = 0;
  const auto one = [&](int i) -> Task<> {
    co_await sleep_for(this->reactor, std::chrono::milliseconds(i * 10));
    try {
      co_await this->provider->find_image(std::to_string(i + 1));
      ++served;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::RateLimited || !error.retry_after) throw;
      ++later;
    }
  };
  std::vector<Task<>> tasks;
  for (int i = 0; i < 6000; ++i) tasks.push_back(one(i));
  this->run(this->together(std::move(tasks)));
  EXPECT_EQ(served + later, 6000U);
  EXPECT_GT(served, 200U);
  EXPECT_GT(later, 0U);
}

}  // namespace
}  // namespace gantry::clouds
