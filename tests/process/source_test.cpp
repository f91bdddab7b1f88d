// Goal: manifests that arrive by themselves: saved, broken, moved, removed.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string config(const std::string& name, const std::string& value) {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {value: " + value + "}\n";
}

class SourceFolder : public testing::Test {
 protected:
  SourceFolder() : folder(), controller({"--manifests", folder.path()}) {}
  void SetUp() override {
    write(folder / "a.yaml", config("a", "one") + "---\n" + config("b", "one"));
    write(folder / "deep/c.yaml", config("c", "one"));
    controller.start();
    if (HasFatalFailure()) return;
    ASSERT_TRUE(eventually([&] { return value("a") == "one" && value("b") == "one" && value("c") == "one"; }))
        << controller.log();
  }
  std::string value(const std::string& name) const {
    const json::Value map = controller.get("configmap/" + name);
    const json::Value* found = map.at({"data", "value"});
    return found ? found->as_string() : "(absent)";
  }
  std::string source() const { return controller.gantry({"describe", "source/manifests"}).out; }

  TemporaryFolder folder;
  Controller controller;
};

TEST_F(SourceFolder, AppliesWhatIsSaved) {
  write(folder / "a.yaml", config("a", "two") + "---\n" + config("b", "one"));
  EXPECT_TRUE(eventually([&] { return value("a") == "two"; })) << source();
  write(folder / "new/folder/d.yaml", config("d", "one"));
  EXPECT_TRUE(eventually([&] { return value("d") == "one"; })) << source();
}

TEST_F(SourceFolder, ABrokenFileIsNamedKeepsItsLastVersionAndStopsNobody) {
  write(folder / "a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\ndata: [}\n");
  write(folder / "deep/c.yaml", config("c", "two"));
  EXPECT_TRUE(eventually([&] { return value("c") == "two"; })) << source();
  EXPECT_TRUE(eventually([&] { return controller.condition("source/manifests", "Ready") == "False/DocumentsFailed"; }))
      << source();
  EXPECT_THAT(source(), HasSubstr("a.yaml"));
  EXPECT_EQ(value("a"), "one");
  EXPECT_EQ(value("b"), "one");
  // Removed meanwhile: kept, because nobody can say what the broken file holds.
  std::filesystem::remove(folder / "deep/c.yaml");
  EXPECT_TRUE(eventually([&] { return source().find("prune") != std::string::npos || value("c") == "two"; }));
  EXPECT_EQ(value("c"), "two");
  write(folder / "a.yaml", config("a", "three") + "---\n" + config("b", "three"));
  EXPECT_TRUE(eventually([&] { return value("a") == "three" && value("c") == "(absent)"; })) << source();
}

TEST_F(SourceFolder, AnInvalidDocumentIsReportedWithItsLine) {
  write(folder / "bad.yaml",
        config("e", "one") +
            "---\napiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: bad}\nspec:\n  replicas: many\n");
  EXPECT_TRUE(eventually([&] { return value("e") == "one"; })) << source();
  EXPECT_TRUE(eventually([&] { return source().find("bad.yaml") != std::string::npos; })) << source();
  EXPECT_THAT(source(), HasSubstr("spec.replicas"));
}

TEST_F(SourceFolder, PrunesWhatLeftButNotWhenEverythingDid) {
  std::filesystem::remove(folder / "deep/c.yaml");
  EXPECT_TRUE(eventually([&] { return value("c") == "(absent)"; })) << source();
  EXPECT_EQ(value("a"), "one");
  std::filesystem::remove(folder / "a.yaml");
  EXPECT_TRUE(eventually([&] { return source().find("no manifest") != std::string::npos; })) << source();
  EXPECT_EQ(value("a"), "one");
}

TEST_F(SourceFolder, AMoveToAnotherFileDeletesNothing) {
  const std::string uid = controller.get("configmap/c").at({"metadata", "uid"})->as_string();
  std::filesystem::rename(folder / "deep/c.yaml", folder / "elsewhere.yaml");
  EXPECT_TRUE(eventually([&] {
    const json::Value map = controller.get("configmap/c");
    const json::Value* annotations = map.at({"metadata", "annotations"});
    return annotations && annotations->string_or("gantry.dev/source-file").starts_with("elsewhere.yaml");
  })) << source();
  EXPECT_EQ(controller.get("configmap/c").at({"metadata", "uid"})->as_string(), uid);
}

TEST_F(SourceFolder, SyncsFromGit) {
  if (!have("git")) GTEST_SKIP() << "git is not installed";
  const std::string repository = folder / ".repository";
  write(repository + "/prod/app.yaml", config("from-git", "one"));
  const auto git = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.org"});
    const auto outcome = run(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  };
  git({"init", "-q", "-b", "main"});
  git({"add", "."});
  git({"commit", "-q", "-m", "one"});
  controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Source\nmetadata: {name: repo}\nspec: {git: {url: \"file://" +
      repository + "\", ref: main, path: prod, interval: 1s}}\n");
  ASSERT_TRUE(eventually([&] { return value("from-git") == "one"; }))
      << controller.gantry({"describe", "source/repo"}).out;
  write(repository + "/prod/app.yaml", config("from-git", "two"));
  git({"commit", "-q", "-am", "two"});
  EXPECT_TRUE(eventually([&] { return value("from-git") == "two"; }))
      << controller.gantry({"describe", "source/repo"}).out;
}

// An undo says what should run until the manifest says something new, however often the same manifest arrives.
TEST(GitSource, AnUndoStandsOverFiveSyncsAndEndsWithTheNextChange) {
  if (!have("git")) GTEST_SKIP() << "git is not installed";
  TemporaryFolder repository;
  Controller controller;
  const auto app = [](const std::string& greeting) {
    return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  runtime: process\n"
           "  source: {code: {path: /usr/share/common-licenses}}\n  command: [\"$(GANTRY_BINARY)\", demo]\n"
           "  env: [{name: GREETING, value: \"" +
           greeting + "\"}]\n  ports: [{name: http, port: 8000}]\n";
  };
  const auto commit = [&](const std::string& file, const std::string& text) {
    write(repository / ("prod/" + file), text);
    const auto done = run({"sh", "-c",
                           "cd " + repository.path() +
                               " && git init -q -b main . && git add -A && git -c user.name=t -c "
                               "user.email=t@e.org commit -qm x && git rev-parse HEAD"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.out.substr(0, 40);
  };
  const auto synced = [&](const std::string& revision) {
    return eventually([&] {
      const json::Value source = controller.get("source/repo");
      const json::Value* applied = source.at({"status", "revision"});
      return applied && applied->as_string().find(revision) != std::string::npos &&
             controller.condition("source/repo", "Synced").starts_with("True");
    });
  };
  const auto page = [&] {
    const json::Value object = controller.get("app/web");
    const json::Value* urls = object.at({"status", "urls"});
    return urls && !urls->as_array().empty() ? curl(urls->as_array()[0].as_string()) : std::string();
  };
  const auto serves = [&](const std::string& greeting) {
    return eventually([&] { return page().starts_with(greeting) && controller.ready("app/web"); });
  };

  const std::string first = commit("app.yaml", app("one"));
  controller.start();
  controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Source\nmetadata: {name: repo}\nspec: {git: {url: \"file://" +
      repository.path() + "\", ref: main, path: prod, interval: 1s}}\n");
  ASSERT_TRUE(synced(first)) << controller.gantry({"describe", "source/repo"}).out;
  ASSERT_TRUE(serves("one")) << controller.gantry({"describe", "app/web"}).out;
  ASSERT_TRUE(synced(commit("app.yaml", app("two"))));
  ASSERT_TRUE(serves("two"));

  ASSERT_EQ(controller.gantry({"rollout", "undo", "web"}).exit_code, 0);
  ASSERT_TRUE(serves("one")) << controller.gantry({"describe", "app/web"}).out;
  for (int sync = 1; sync <= 5; ++sync) {
    // Another file beside it, and the App's own with a comment: both are new commits that change nothing of it.
    const std::string number = std::to_string(sync);
    const std::string revision = sync % 2 ? commit("other.yaml", config("other", "\"" + number + "\""))
                                          : commit("app.yaml", "# sync " + number + "\n" + app("two"));
    ASSERT_TRUE(synced(revision)) << "sync " << sync << controller.gantry({"describe", "source/repo"}).out;
    EXPECT_THAT(page(), testing::StartsWith("one")) << "sync " << sync;
  }
  EXPECT_EQ(controller.get("app/web").at({"status", "release"})->as_string(), "web-3");
  EXPECT_EQ(controller.get("app/web").at({"status", "hold", "until"})->as_string(), "the spec changes");
  ASSERT_TRUE(synced(commit("app.yaml", app("three"))));
  EXPECT_TRUE(serves("three")) << controller.gantry({"describe", "app/web"}).out;
}

}  // namespace
}  // namespace gantry::process
