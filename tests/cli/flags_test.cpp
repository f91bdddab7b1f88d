#include "controller/cli/flags.hpp"

#include <gmock/gmock.h>

#include "controller/cli/nearest.hpp"

namespace gantry::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<Flag> kKnown = {
    {.name = "output", .letter = 'o', .value = "FORM", .otherwise = "table"},
    {.name = "watch", .letter = 'w'},
    {.name = "all-namespaces", .letter = 'A'},
    {.name = "filename", .letter = 'f', .value = "FILE", .repeated = true},
    {.name = "timeout", .value = "TIME", .otherwise = "30s"},
    {.name = "tail", .value = "N", .otherwise = "-1"},
    {.name = "all", .sourced = false},
};

Flags parsed(std::vector<std::string> words, std::vector<Layer> layers = {}) {
  return Flags::parse(words, kKnown, layers);
}

Layer layer(std::string origin, std::map<std::string, std::string, std::less<>> values) {
  return {std::move(origin), [values = std::move(values)](std::string_view name) {
            const auto found = values.find(name);
            return found == values.end() ? std::nullopt : std::optional(found->second);
          }};
}

TEST(Flags, AreUnderstoodInEveryUsualForm) {
  EXPECT_EQ(parsed({"--output=yaml"}).text("output"), "yaml");
  EXPECT_EQ(parsed({"--output", "yaml"}).text("output"), "yaml");
  EXPECT_EQ(parsed({"-o", "yaml"}).text("output"), "yaml");
  EXPECT_EQ(parsed({"-oyaml"}).text("output"), "yaml");
  EXPECT_EQ(parsed({"-o=yaml"}).text("output"), "yaml");
  EXPECT_TRUE(parsed({"-Aw"}).on("watch"));
  EXPECT_EQ(parsed({"-wo", "yaml"}).text("output"), "yaml");
  EXPECT_FALSE(parsed({"--watch=false"}).on("watch"));
}

TEST(Flags, StandBeforeBehindAndBetweenOperands) {
  const Flags flags = parsed({"apps", "-w", "web", "-f", "a", "-f", "b", "--", "--odd"});
  EXPECT_THAT(flags.operands(), ElementsAre("apps", "web", "--odd"));
  EXPECT_THAT(flags.all("filename"), ElementsAre("a", "b"));
}

TEST(Flags, ADashAloneIsAnOperandOrAValue) {
  EXPECT_THAT(parsed({"-f", "-"}).all("filename"), ElementsAre("-"));
  EXPECT_THAT(parsed({"-"}).operands(), ElementsAre("-"));
}

TEST(Flags, WhatIsUnknownNamesTheNearest) {
  EXPECT_THAT([] { parsed({"--ouptut=yaml"}); },
              ThrowsMessage<UsageError>("unknown flag: --ouptut; did you mean --output?"));
  EXPECT_THAT([] { parsed({"--zzzzz"}); }, ThrowsMessage<UsageError>("unknown flag: --zzzzz"));
  EXPECT_THAT([] { parsed({"-x"}); }, ThrowsMessage<UsageError>("unknown flag: -x"));
}

TEST(Flags, AValueThatIsMissingOrWrongIsSaid) {
  EXPECT_THAT([] { parsed({"--output"}); }, ThrowsMessage<UsageError>("--output needs a value: --output=FORM"));
  EXPECT_THAT([] { parsed({"-o"}); }, ThrowsMessage<UsageError>("-o needs a value: --output=FORM"));
  EXPECT_THAT([] { parsed({"--watch=maybe"}); }, ThrowsMessage<UsageError>(HasSubstr("is a switch")));
  EXPECT_THAT([] { (void)parsed({"--timeout=soon"}).duration("timeout"); },
              ThrowsMessage<UsageError>("--timeout must be a duration such as 30s, 5m or 1h30m, not \"soon\""));
  EXPECT_THAT([] { (void)parsed({"--tail=x"}).number("tail"); },
              ThrowsMessage<UsageError>("--tail must be a whole number, not \"x\""));
  EXPECT_THAT([] { (void)parsed({"-oxml"}).choice("output", {"json", "yaml", "table"}); },
              ThrowsMessage<UsageError>("--output must be json, yaml or table, not \"xml\""));
}

TEST(Flags, TheCommandLineWinsOverTheEnvironmentAndThatOverFiles) {
  const std::vector<Layer> layers = {layer("environment", {{"output", "json"}, {"watch", "true"}}),
                                     layer("gantry.yaml", {{"output", "name"}, {"timeout", "1m"}})};
  const Flags flags = parsed({"-o", "yaml"}, layers);
  EXPECT_EQ(flags.text("output"), "yaml");
  EXPECT_EQ(flags.origin("output"), "flag");
  EXPECT_EQ(parsed({}, layers).text("output"), "json");
  EXPECT_TRUE(flags.on("watch"));
  EXPECT_EQ(flags.duration("timeout"), std::chrono::minutes(1));
  EXPECT_EQ(flags.origin("timeout"), "gantry.yaml");
  EXPECT_EQ(flags.origin("tail"), "default");
}

TEST(Flags, SomeAreNeverTakenFromTheSurroundings) {
  EXPECT_FALSE(parsed({}, {layer("environment", {{"all", "true"}})}).on("all"));
}

TEST(Flags, HaveATwinInTheEnvironment) { EXPECT_EQ(environment_name("all-namespaces"), "GANTRY_ALL_NAMESPACES"); }

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string_view> words = {"apply", "get", "describe", "delete", "diff"};
  EXPECT_EQ(nearest("aply", words), "apply");
  EXPECT_EQ(nearest("gte", words), "get");
  EXPECT_EQ(nearest("descirbe", words), "describe");
  EXPECT_EQ(nearest("frobnicate", words), std::nullopt);
}

TEST(Nearest, CountsASwapOfNeighboursOnce) {
  EXPECT_EQ(edits_between("ab", "ba"), 1u);
  EXPECT_EQ(edits_between("kitten", "sitting"), 3u);
  EXPECT_EQ(edits_between("", "abc"), 3u);
}

}  // namespace
}  // namespace gantry::cli
