// Limits at admission: what is there, what is declared and not made yet, and what is wanted, in one sum.
#include "reconcilers/provider/board.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::provider {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t kGiB = 1 << 30;

json::Value server(const std::string& uid, const std::string& size, const std::string& more = "{}") {
  return json::parse(R"({"kind":"Server","metadata":{"name":"x","uid":")" + uid + R"(","annotations":)" + more +
                     R"(},"spec":{"providerRef":{"name":"cloud"},"size":")" + size + R"("}})");
}
Claim claim(const std::string& uid, const std::string& size, const std::string& more = "{}") {
  return claim_of(server(uid, size, more), "cloud", "fsn1").value();
}

Claim app(const std::string& uid, int count, const std::string& more = {}) {
  return claim_of(json::parse(R"({"kind":"App","metadata":{"uid":")" + uid +
                              R"("},"spec":{"placement":{"provision":{"count":)" + std::to_string(count) + more +
                              R"(,"template":{"providerRef":{"name":"cloud"},"size":"cx23"}}}}})"),
                  "cloud", "fsn1")
      .value();
}
Claim made_for(const std::string& uid, const std::string& app) {
  json::Value object = server(uid, "cx23");
  object["metadata"]["ownerReferences"] = json::Array{json::Object{{"uid", app}, {"controller", true}}};
  return claim_of(object, "cloud", "fsn1").value();
}
Claim snapshot(const std::string& uid, const std::string& from, const std::string& annotations = "{}") {
  return claim_of(json::parse(R"({"kind":"Snapshot","metadata":{"uid":")" + uid + R"(","annotations":)" + annotations +
                              R"(},"spec":{"providerRef":{"name":"cloud"},"from":)" + from + "}}"),
                  "cloud", "fsn1")
      .value();
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
    posted.at = parse_time("2026-11-21T10:00:00Z");
  }
  std::string refusal(const std::string& limits, const Claim& wanted, std::optional<Claim> before = {},
                      const std::vector<Claim>& declared = {}) {
    const auto spec = crds::decode_provider_spec(json::parse(R"({"spec":{"type":"hetzner","limits":)" + limits + "}}"));
    return refuses(posted, *spec.limits, wanted, before, declared).value_or("");
  }
  Posted posted;
};

TEST_F(Limits, EachIsHeldAgainstTheSumAndTheSumIsTold) {
  const Claim one = claim("new", "cx23");
  EXPECT_EQ(refusal(R"({"servers":3,"cpu":6,"memory":"12Gi","disk":"120Gi","monthlyCost":"12 EUR"})", one), "");
  EXPECT_THAT(refusal(R"({"servers":2})", one),
              AllOf(HasSubstr("spec.limits.servers"), HasSubstr("2 there (2 servers, 1 of them not made by Gantry)"),
                    HasSubstr("+ 1 for this (cx23 in fsn1)"),
                    HasSubstr("is 2 (spec.limits.servers), and with this it would be 3:")));
  EXPECT_THAT(refusal(R"({"cpu":5})", one),
              AllOf(HasSubstr("is 5 (spec.limits.cpu)"), HasSubstr("it would be 6: 4 there")));
  EXPECT_THAT(refusal(R"({"memory":"10Gi"})", one),
              AllOf(HasSubstr("is 10Gi"), HasSubstr("it would be 12Gi: 8Gi there")));
  EXPECT_THAT(refusal(R"({"disk":"100Gi"})", one),
              AllOf(HasSubstr("is 100Gi"), HasSubstr("it would be 120Gi: 80Gi there")));
  EXPECT_THAT(refusal(R"({"monthlyCost":"11 EUR"})", one),
              AllOf(HasSubstr("spec.limits.monthlyCost"), HasSubstr("12.00 EUR: 8.00 EUR there"),
                    HasSubstr("+ 4.00 EUR for this")));
}

TEST_F(Limits, WhatIsDeclaredAndNotMadeYetCountsAndWhatIsMadeCountsOnce) {
  const Claim one = claim("new", "cx23");
  EXPECT_EQ(refusal(R"({"servers":3})", one, {}, {claim("made", "cx23"), one}), "") << "made, and itself";
  EXPECT_THAT(refusal(R"({"servers":3})", one, {}, {claim("declared", "cx23")}), HasSubstr("1 asked for already"));
  EXPECT_THAT(
      refusal(R"({"servers":3})", one, {},
              {claim("just-made", "cx23", R"({"gantry.dev/external-name":"7","gantry.dev/made-from":"image:a"})")}),
      HasSubstr("1 asked for already"))
      << "made since the account was last seen";
  EXPECT_EQ(refusal(R"({"servers":3})", one, {}, {claim("adopted", "cx23", R"({"gantry.dev/external-name":"7"})")}),
            "");
}

TEST_F(Limits, AChangeCountsByWhatItAddsAndTakingOverAddsNothing) {
  EXPECT_THAT(
      refusal(R"({"monthlyCost":"11 EUR"})", claim("made", "cx33"), claim("made", "cx23")),
      AllOf(HasSubstr("8.00 EUR there"), HasSubstr("+ 4.00 EUR for this (cx33 in fsn1 in place of cx23 in fsn1)")));
  EXPECT_EQ(refusal(R"({"monthlyCost":"12 EUR","servers":1})", claim("made", "cx33"), claim("made", "cx23")), "");
  EXPECT_EQ(refusal(R"({"monthlyCost":"1 EUR","servers":1})", claim("made", "cx23"), claim("made", "cx33")), "")
      << "less";
  EXPECT_EQ(refusal(R"({"servers":1})", claim("old", "cx23", R"({"gantry.dev/external-name":"7"})")), "");
}

TEST_F(Limits, AnAppAsksForAllItsServersAtOnce) {
  const Claim three = app("app", 3);
  EXPECT_EQ(refusal(R"({"servers":5})", three), "");
  EXPECT_THAT(refusal(R"({"servers":4,"monthlyCost":"60 EUR"})", three),
              AllOf(HasSubstr("it would be 5: 2 there"), HasSubstr("+ 3 for this (3 x cx23 in fsn1)")));
  EXPECT_THAT(refusal(R"({"monthlyCost":"19.99 EUR"})", three), HasSubstr("+ 12.00 EUR for this"));
  EXPECT_EQ(app("app", 1, R"(,"scaling":{"minServers":2,"maxServers":9})").servers, 2) << "as many as it begins with";
}

TEST_F(Limits, WhatAnAppHasGotCountsOnceAndWhatItHasNotCountsToo) {
  const Claim three = app("app", 3);
  const Claim first = made_for("first", "app");
  const Claim second = made_for("second", "app");
  EXPECT_EQ(refusal(R"({"servers":5})", second, {}, {three, first}), "") << "it is one of the three";
  EXPECT_THAT(refusal(R"({"servers":5})", claim("other", "cx23"), {}, {three, first}),
              HasSubstr("3 asked for already"));
  EXPECT_THAT(refusal(R"({"servers":5})", app("app", 4), three, {three, first}),
              AllOf(HasSubstr("+ 3 asked for already + 1 for this")));
  EXPECT_EQ(refusal(R"({"servers":1})", app("app", 2), three, {three, first}), "") << "fewer";
}

TEST_F(Limits, ASnapshotAsksForItsBuilderAndItsImage) {
  auto catalogue = std::make_shared<providers::Catalogue>(*posted.catalogue);
  catalogue->image_gib_month = providers::Money{50'000, "EUR"};
  posted.catalogue = std::move(catalogue);
  const Claim base = snapshot("base", R"({"image":"debian-12"})");
  EXPECT_THAT(refusal(R"({"servers":2})", base), HasSubstr("a builder for a while, cx23, and an image of up to 40Gi"));
  EXPECT_EQ(refusal(R"({"monthlyCost":"14 EUR"})", base), "");
  EXPECT_THAT(refusal(R"({"monthlyCost":"13.99 EUR"})", base),
              AllOf(HasSubstr("it would be 14.00 EUR: 8.00 EUR there"), HasSubstr("+ 6.00 EUR for this")))
      << "the cheapest machine, and 40 GiB";
  EXPECT_EQ(refusal(R"({"servers":3})", claim("new", "cx23"), {}, {base}), "") << "its builder is gone before that";
  EXPECT_THAT(refusal(R"({"monthlyCost":"13.99 EUR"})", claim("new", "cx23"), {}, {base}),
              HasSubstr("2.00 EUR asked for already"))
      << "and its image stays";
  EXPECT_EQ(refusal(R"({"servers":3})", claim("new", "cx23"), {}, {snapshot("made", R"({"image":"debian-12"})")}), "")
      << "its image is there";
  EXPECT_EQ(refusal(R"({"servers":1})", snapshot("old", R"({"image":"7"})", R"({"gantry.dev/external-name":"7"})")),
            "");
}

TEST_F(Limits, WhatCannotBeHadIsLeftToThePlanWhichSaysWhatIsNearest) {
  EXPECT_EQ(refusal(R"({"monthlyCost":"1 EUR","servers":1})", claim("new", "enormous")), "");
  EXPECT_EQ(
      refusal(R"({"monthlyCost":"1 EUR","servers":1})", claim_of(server("new", "cx23"), "cloud", "mars1").value()), "");
}

TEST_F(Limits, WhatIsAtAnotherProviderIsNoneOfItsBusiness) {
  EXPECT_FALSE(claim_of(server("a", "cx23"), "elsewhere", "fsn1"));
  EXPECT_FALSE(claim_of(json::parse(R"({"spec":{"address":"10.0.0.1"}})"), "cloud", "fsn1"));
}

}  // namespace
}  // namespace gantry::reconcilers::provider
