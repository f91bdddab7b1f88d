// Goal: a person with a folder of code has it served, sees each phase, and a broken build says why while the old
// release serves. The real binary, a real repository.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DeployTest : public testing::Test {
 protected:
  void SetUp() override {
    controller.start();
    std::filesystem::create_directories(code());
    write(code() + "/page.html", "first page");
  }
  std::string code() const { return controller.folder("site"); }
  Outcome deploy(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"deploy", "web",  code(),      "--runtime", "process",
                                      "--port", "8000", "--timeout", "50s"};
    words.insert(words.end(), more.begin(), more.end());
    for (const char* word : {"--", "$(GANTRY_BINARY)", "demo"}) words.emplace_back(word);
    return controller.gantry(words);
  }
  std::string page() {
    const json::Value app = controller.get("app/web");
    const json::Value* urls = app.at({"status", "urls"});
    return urls && !urls->as_array().empty() ? curl(urls->as_array()[0].as_string()) : std::string();
  }
  Controller controller;
};

TEST_F(DeployTest, AFolderIsServedAndAChangeOfItToo) {
  const Outcome first = deploy();
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err << controller.log();
  const auto each_phase_in_turn =
      testing::MatchesRegex("(.|\n)* upload: (.|\n)* build: (.|\n)* start: (.|\n)* ready: release web-.*\n");
  EXPECT_THAT(first.out, AllOf(each_phase_in_turn, HasSubstr("serves at http://127.0.0.1:")));
  EXPECT_THAT(page(), HasSubstr("first page"));
  write(code() + "/page.html", "second page");
  const Outcome second = deploy();
  ASSERT_EQ(second.exit_code, 0) << second.out << second.err;
  EXPECT_THAT(second.out, each_phase_in_turn);
  EXPECT_THAT(page(), HasSubstr("second page"));
  const Outcome again = deploy();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, each_phase_in_turn) << "also those that were over at once";
  EXPECT_EQ(controller.get("app/web").at({"status", "release"})->as_string(), "web-2")
      << "the same code is no new release";
}

TEST_F(DeployTest, ABrokenBuildSaysWhyAndTheOldReleaseServes) {
  ASSERT_EQ(deploy().exit_code, 0);
  const Outcome patched = controller.gantry({"get", "app/web"});
  ASSERT_EQ(patched.exit_code, 0);
  controller.kubectl({"patch", "app", "web", "--type=merge", "-p", R"({"spec":{"build":{"command":"sh build.sh"}}})"});
  write(code() + "/page.html", "broken page");
  write(code() + "/build.sh", "echo compiling; echo 'cannot find module x' >&2; exit 3\n");
  const Outcome broken = deploy();
  EXPECT_EQ(broken.exit_code, 1) << broken.out;
  EXPECT_THAT(broken.err, AllOf(HasSubstr("BuildFailed"), HasSubstr("exited with code 3"),
                                HasSubstr("cannot find module x"), HasSubstr("goes on serving")));
  EXPECT_THAT(page(), HasSubstr("first page"));
  const Outcome log = controller.gantry({"logs", "web", "--build"});
  EXPECT_THAT(log.out, AllOf(HasSubstr("compiling"), HasSubstr("cannot find module x"))) << log.err;
  write(code() + "/build.sh", "sed -i s/broken/built/ page.html\n");
  ASSERT_EQ(deploy().exit_code, 0);
  EXPECT_THAT(page(), HasSubstr("built page"));
}

TEST_F(DeployTest, AnArchiveThatLeadsOutIsRefusedBeforeAnythingIsDeclared) {
  const std::string archive = controller.folder("evil.tar");
  write(controller.folder("evil"), "x");
  ASSERT_EQ(run({"tar", "-C", code(), "-P", "-cf", archive, "../evil"}).exit_code, 0);
  const Outcome refused = controller.gantry({"deploy", "web", archive});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("../evil"), HasSubstr("leads out")));
  EXPECT_TRUE(controller.get("app/web").is_null());
}

TEST_F(DeployTest, ARepositoryIsFollowed) {
  const std::string git = "cd " + code() + " && export GIT_CONFIG_GLOBAL=/dev/null && ";
  const std::string commit = "git add -A && git -c user.name=t -c user.email=t@e.org commit -qm x";
  ASSERT_EQ(run({"sh", "-c", git + "git init -q -b main . && " + commit}).exit_code, 0);
  controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  runtime: process\n  source: "
      "{git: {url: '" +
      code() + "', interval: 1s}}\n  command: ['$(GANTRY_BINARY)', demo]\n  ports: [{name: http, port: 8000}]\n");
  ASSERT_TRUE(eventually([&] { return controller.ready("app/web"); }))
      << controller.gantry({"describe", "app/web"}).out;
  EXPECT_THAT(page(), HasSubstr("first page"));
  write(code() + "/page.html", "committed page");
  ASSERT_EQ(run({"sh", "-c", git + commit}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return page().find("committed page") != std::string::npos; }));
  const json::Value release = controller.get("release/web-2");
  const json::Value* revision = release.at({"spec", "sourceRevision"});
  ASSERT_TRUE(revision) << controller.gantry({"describe", "app/web"}).out;
  EXPECT_EQ(revision->as_string().size(), 40U);
}

}  // namespace
}  // namespace gantry::process
