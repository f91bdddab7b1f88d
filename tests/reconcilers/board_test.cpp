// Limits at admission: what is there, what is declared and not made yet, and what is wanted, in one sum.
#include "reconcilers/provider/board.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::provider {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t kGiB = 1 << 30;

json::Value server(const std::string& uid, const std::string& size, const std::string& more = "{}") {
  return json::parse(R"({"metadata":{"name":"x","uid":")" + uid + R"(","annotations":)" + more +
                     R"(},"spec":{"providerRef":{"name":"cloud"},"size":")" + size + R"("}})");
}
ServerWish wish(const std::string& uid, const std::string& size, const std::string& more = "{}") {
  return wish_of(server(uid, size, more), "cloud", "fsn1").value();
}

class Limits : public testing::Test {
 protected:
  Limits() {
    auto catalogue = std::make_shared<providers::Catalogue>();
    for (const auto& [name, cpus, euros] : {std::tuple("cx23", 2, 4), std::tuple("cx33", 4, 8)}) {
      providers::SizeOffer size;
      size.name = name;
      size.cpus = cpus;
      size.memory_bytes = cpus * 2 * kGiB;
      size.disk_bytes = 40 * kGiB;
      size.places.push_back(
          {.region = "fsn1", .monthly = providers::Money{euros * 1'000'000, "EUR"}, .hourly = {}, .ends = {}});
      catalogue->sizes.push_back(std::move(size));
    }
    posted.catalogue = std::move(catalogue);
    posted.usage.servers = 2;
    posted.usage.unmanaged = 1;
    posted.usage.cpu_millis = 4000;
    posted.usage.memory_bytes = 8 * kGiB;
    posted.usage.disk_bytes = 80 * kGiB;
    posted.usage.monthly = providers::Money{8'000'000, "EUR"};
    posted.owners = {"made"};
  }
  std::string refusal(const std::string& limits, const ServerWish& wanted, std::optional<ServerWish> before = {},
                      const std::vector<ServerWish>& declared = {}) {
    const auto spec = crds::decode_provider_spec(json::parse(R"({"spec":{"type":"hetzner","limits":)" + limits + "}}"));
    return refuses(posted, *spec.limits, wanted, before, declared).value_or("");
  }
  Posted posted;
};

TEST_F(Limits, EachIsHeldAgainstTheSumAndTheSumIsTold) {
  const ServerWish one = wish("new", "cx23");
  EXPECT_EQ(refusal(R"({"servers":3,"cpu":6,"memory":"12Gi","disk":"120Gi","monthlyCost":"12 EUR"})", one), "");
  EXPECT_THAT(refusal(R"({"servers":2})", one),
              AllOf(HasSubstr("spec.limits.servers"), HasSubstr("2 there (1 not Gantry's)"),
                    HasSubstr("+ 1 for this = 3"), HasSubstr("2 is the limit")));
  EXPECT_THAT(refusal(R"({"cpu":5})", one), HasSubstr("4 there + 2 for this = 6, and 5 is the limit"));
  EXPECT_THAT(refusal(R"({"memory":"10Gi"})", one),
              HasSubstr("8Gi there + 4Gi for this = 12Gi, and 10Gi is the limit"));
  EXPECT_THAT(refusal(R"({"disk":"100Gi"})", one),
              HasSubstr("80Gi there + 40Gi for this = 120Gi, and 100Gi is the limit"));
  EXPECT_THAT(refusal(R"({"monthlyCost":"11 EUR"})", one),
              AllOf(HasSubstr("spec.limits.monthlyCost"), HasSubstr("8.00 EUR there + 4.00 EUR for this = 12.00 EUR")));
}

TEST_F(Limits, WhatIsDeclaredAndNotMadeYetCountsAndWhatIsMadeCountsOnce) {
  const ServerWish one = wish("new", "cx23");
  EXPECT_EQ(refusal(R"({"servers":3})", one, {}, {wish("made", "cx23"), one}), "") << "made, and itself";
  EXPECT_THAT(refusal(R"({"servers":3})", one, {}, {wish("declared", "cx23")}), HasSubstr("1 being made"));
  EXPECT_THAT(
      refusal(R"({"servers":3})", one, {},
              {wish("just-made", "cx23", R"({"gantry.dev/external-name":"7","gantry.dev/made-from":"image:a"})")}),
      HasSubstr("1 being made"))
      << "made since the account was last seen";
  EXPECT_EQ(refusal(R"({"servers":3})", one, {}, {wish("adopted", "cx23", R"({"gantry.dev/external-name":"7"})")}), "");
}

TEST_F(Limits, AChangeCountsByWhatItAddsAndTakingOverAddsNothing) {
  EXPECT_THAT(refusal(R"({"monthlyCost":"11 EUR"})", wish("made", "cx33"), wish("made", "cx23")),
              HasSubstr("8.00 EUR there + 4.00 EUR for this"));
  EXPECT_EQ(refusal(R"({"monthlyCost":"12 EUR","servers":1})", wish("made", "cx33"), wish("made", "cx23")), "");
  EXPECT_EQ(refusal(R"({"monthlyCost":"1 EUR","servers":1})", wish("made", "cx23"), wish("made", "cx33")), "")
      << "less";
  EXPECT_EQ(refusal(R"({"servers":1})", wish("old", "cx23", R"({"gantry.dev/external-name":"7"})")), "");
}

TEST_F(Limits, WhatIsAtAnotherProviderIsNoneOfItsBusiness) {
  EXPECT_FALSE(wish_of(server("a", "cx23"), "elsewhere", "fsn1"));
  EXPECT_FALSE(wish_of(json::parse(R"({"spec":{"address":"10.0.0.1"}})"), "cloud", "fsn1"));
}

}  // namespace
}  // namespace gantry::reconcilers::provider
