#include <gmock/gmock.h>

#include <fstream>

#include "controller/cli/context.hpp"
#include "controller/cli/version.hpp"
#include "tests/cli/scripted_server.hpp"

namespace gantry::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Run, AnUnknownCommandIsAUsageErrorWithTheNearest) {
  CommandLine gantry;
  const Outcome outcome = gantry.run("aply -f x");
  EXPECT_EQ(outcome.code, 64);
  EXPECT_EQ(outcome.err, "error: unknown command \"aply\"; did you mean \"apply\"? (gantry help lists all)\n");
  EXPECT_EQ(gantry.run("rollout unod web").err,
            "error: unknown command \"rollout unod\"; did you mean \"rollout undo\"? (gantry help lists all)\n");
  EXPECT_EQ(gantry.run("rollout").code, 64);
}

TEST(Run, AnUnknownFlagIsAUsageError) {
  CommandLine gantry;
  const Outcome outcome = gantry.run("get apps --nmaespace=x");
  EXPECT_EQ(outcome.code, 64);
  EXPECT_EQ(outcome.err, "error: unknown flag: --nmaespace; did you mean --namespace?\n");
  EXPECT_TRUE(gantry.asked.empty());
}

TEST(Run, WithoutWordsItShowsTheWay) {
  CommandLine gantry;
  const Outcome outcome = gantry.run("");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("gantry apply -f manifests/"));
  EXPECT_THAT(outcome.out, HasSubstr("  rollout undo"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("__complete")));
  EXPECT_EQ(gantry.run("help").out, outcome.out);
}

TEST(Run, HelpTeachesWithExamples) {
  CommandLine gantry;
  for (const char* line : {"help get", "get --help", "get -h", "get apps -w --help"}) {
    const Outcome outcome = gantry.run(line);
    EXPECT_EQ(outcome.code, 0) << line;
    EXPECT_THAT(outcome.out, StartsWith("Show objects as a table")) << line;
    EXPECT_THAT(outcome.out, HasSubstr("Examples:\n  gantry get apps")) << line;
    EXPECT_THAT(outcome.out, HasSubstr("-o, --output=FORM")) << line;
  }
  EXPECT_THAT(gantry.run("help rollout").out, HasSubstr("gantry rollout undo: Go back"));
}

TEST(Run, EveryCommandHasExamplesAndASummaryWithoutAFullStop) {
  CommandLine gantry;
  std::istringstream overview(gantry.run("help").out);
  int commands = 0;
  for (std::string line; std::getline(overview, line);) {
    if (!line.starts_with("  ") || line.find("   ") == std::string::npos || line.find("gantry ") != std::string::npos)
      continue;
    const std::string name = line.substr(2, line.find("   ", 2) - 2);
    EXPECT_THAT(line, Not(EndsWith("."))) << name;
    EXPECT_THAT(gantry.run("help " + name).out, HasSubstr("Examples:")) << name;
    ++commands;
  }
  EXPECT_GT(commands, 20);
}

TEST(Run, GlobalFlagsMayStandBeforeTheCommand) {
  CommandLine gantry;
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/prod/apps?limit=500",
            R"({"kind":"Table","columnDefinitions":[],"rows":[]})");
  EXPECT_EQ(gantry.run("-n prod get apps").err, "No resources found in prod namespace.\n");
  EXPECT_EQ(gantry.run("--namespace=prod get apps").err, "No resources found in prod namespace.\n");
}

TEST(Run, FlagsMayComeFromTheEnvironment) {
  CommandLine gantry;
  gantry.environment["GANTRY_NAMESPACE"] = "prod";
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/prod/apps?limit=500",
            R"({"kind":"Table","columnDefinitions":[],"rows":[]})");
  EXPECT_EQ(gantry.run("get apps").err, "No resources found in prod namespace.\n");
}

TEST(Run, FlagsMayComeFromAFileAndTheEnvironmentWins) {
  const TemporaryFolder files;
  CommandLine gantry;
  gantry.configuration_files = true;
  gantry.environment["XDG_CONFIG_HOME"] = files.folder();
  const std::string file = files.write("gantry/config.yaml", "namespace: prod\nx-mine: anything\n");
  for (const char* ns : {"prod", "dev"}) {
    gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/" + std::string(ns) + "/apps?limit=500",
              R"({"kind":"Table","columnDefinitions":[],"rows":[]})");
  }
  EXPECT_EQ(gantry.run("get apps").err, "No resources found in prod namespace.\n");
  EXPECT_THAT(gantry.run("config view --show-origin").out, HasSubstr("prod    " + file));
  gantry.environment["GANTRY_NAMESPACE"] = "dev";
  EXPECT_EQ(gantry.run("get apps").err, "No resources found in dev namespace.\n");

  files.write("gantry/config.yaml", "namespace: prod\nouptut: wide\n");
  const Outcome strict = gantry.run("get apps");
  EXPECT_EQ(strict.code, 64);
  EXPECT_EQ(strict.err, "error: " + file + ":2: no flag is called \"ouptut\"; did you mean \"output\"?\n");
}

TEST(Run, OtherRoomsBringRows) {
  CommandLine gantry;
  gantry.more.push_back({.name = "controller",
                         .group = "Run",
                         .usage = "--data-dir DIR",
                         .summary = "Run the controller",
                         .flags = {{.name = "data-dir", .value = "DIR", .help = "where"}},
                         .run = [](Context& context) {
                           context.out() << "in " << context.flags().text("data-dir");
                           return 7;
                         }});
  const Outcome outcome = gantry.run("controller --data-dir /x");
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.out, "in /x");
  EXPECT_THAT(gantry.run("help").out, HasSubstr("Run the controller"));
}

TEST(Run, ErrorsSayWhatWhereAndWhatToDo) {
  CommandLine gantry;
  gantry.on(
      "GET /apis/gantry.dev/v1alpha1/namespaces/default/apps/x",
      status(404, "NotFound", "apps.gantry.dev \"x\" not found", R"({"kind":"apps","group":"gantry.dev","name":"x"})"),
      404);
  const Outcome outcome = gantry.run("get app x");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err,
            "Error from server (NotFound): apps.gantry.dev \"x\" not found\n"
            "See what is there: gantry get apps\n");
}

TEST(Run, ARefusalHasItsOwnExitCode) {
  CommandLine gantry;
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/apps?limit=500", status(403, "Forbidden", "no"), 403);
  EXPECT_EQ(gantry.run("get apps").code, 4);
}

TEST(Run, AnswersThatAreNoStatusAreShown) {
  CommandLine gantry;
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/apps?limit=500", "<html>Bad gateway</html>\n", 502);
  EXPECT_EQ(gantry.run("get apps").err,
            "Error from server (ServiceUnavailable): HTTP status 502: <html>Bad gateway</html>\n");
}

TEST(Run, ColoursAreForTerminalsThatWantThem) {
  CommandLine gantry;
  EXPECT_THAT(gantry.run("help get").out, Not(HasSubstr("\x1b[")));
  gantry.terminal = true;
  EXPECT_THAT(gantry.run("help get").out, HasSubstr("\x1b[1m"));
  gantry.environment["NO_COLOR"] = "1";
  EXPECT_THAT(gantry.run("help get").out, Not(HasSubstr("\x1b[")));
}

TEST(Version, IsTheProjects) {
  std::ifstream file(std::string(GANTRY_SOURCE_DIR) + "/CMakeLists.txt");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("project(gantry VERSION " + std::string(kVersion) + " "));
}

TEST(Version, NamesBothSides) {
  CommandLine gantry;
  gantry.on("GET /version", R"({"gitVersion":"v1.33.0+gantry.0.1.0"})");
  EXPECT_EQ(gantry.run("version").out, "Client Version: v0.1.0\nServer Version: v1.33.0+gantry.0.1.0\n");
  EXPECT_EQ(gantry.run("--version").out, "Client Version: v0.1.0\n");
}

}  // namespace
}  // namespace gantry::cli
