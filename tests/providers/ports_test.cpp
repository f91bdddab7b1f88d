#include "providers/local/ports.hpp"

#include <gmock/gmock.h>

#include "controller/base/error.hpp"

namespace gantry::providers::local {
namespace {

const auto all_free = [](PortKey) { return true; };

int chosen(const InstancePort& wanted, const std::set<PortKey>& given = {},
           const std::function<bool(PortKey)>& is_free = all_free) {
  return choose_ports({wanted}, given, is_free).ports.at(0).host_port;
}

TEST(Ports, TheWishComesFirstThenTheDeclaredPortThenTheRange) {
  EXPECT_EQ(chosen({.port = 8000, .host_port = 9000}), 9000);
  EXPECT_EQ(chosen({.port = 8000}), 8000);
  EXPECT_EQ(chosen({.port = 8000, .host_port = 9000}, {{9000, false}}), 8000);
  EXPECT_EQ(chosen({.port = 8000}, {{8000, false}}), kFirstPort);
  EXPECT_EQ(chosen({.port = 8000}, {}, [](PortKey key) { return key.port > kFirstPort; }), kFirstPort + 1);
  EXPECT_EQ(chosen({.port = 0}), kFirstPort);
}

TEST(Ports, AFixedPortIsThatOneOrNone) {
  EXPECT_EQ(chosen({.port = 80, .host_port = 8080, .fixed = true}), 8080);
  EXPECT_EQ(chosen({.port = 80, .fixed = true}), 80);
  const auto choice = choose_ports({{.port = 80, .host_port = 8080, .fixed = true}}, {{8080, false}}, all_free);
  ASSERT_TRUE(choice.taken);
  EXPECT_EQ(choice.taken->host_port, 8080);
}

TEST(Ports, AFixedPortIsNotGivenToAnotherOfTheSameInstance) {
  const auto choice = choose_ports(
      {{.name = "a", .port = 8080}, {.name = "b", .port = 1, .host_port = 8080, .fixed = true}}, {}, all_free);
  EXPECT_EQ(choice.ports[0].host_port, kFirstPort);
  EXPECT_EQ(choice.ports[1].host_port, 8080);
}

TEST(Ports, UdpAndTcpAreTwoBooks) {
  EXPECT_EQ(chosen({.port = 53, .protocol = "UDP"}, {{53, false}}), 53);
  EXPECT_EQ(chosen({.port = 53, .protocol = "UDP"}, {{53, true}}), kFirstPort);
}

TEST(Ports, AnEmptyRangeIsAnError) {
  EXPECT_THROW(chosen({.port = 8000}, {}, [](PortKey) { return false; }), Error);
}

TEST(Ports, TheBookForgetsWhatIsGivenBack) {
  PortBook book;
  const int first = book.claim("a", {{.name = "http"}}).ports[0].host_port;
  const int second = book.claim("b", {{.name = "http"}}).ports[0].host_port;
  EXPECT_NE(first, second);
  EXPECT_EQ(book.holder({first, false}), "a");
  book.release("a");
  EXPECT_EQ(book.holder({first, false}), "");
  EXPECT_EQ(book.claim("c", {{.name = "http", .host_port = first}}).ports[0].host_port, first);
}

}  // namespace
}  // namespace gantry::providers::local
