// Goal: a folder of a repository is known by what lies in it, so that a commit elsewhere changes nothing.
#include "providers/source/git_checkout.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::source {
namespace {

using local::Folder;
using testing::HasSubstr;

class Git : public testing::Test {
 protected:
  Git() {
    run("git init -q -b main .");
    commit("frontend/page.html", "one");
    commit("backend/server.py", "print(1)");
  }
  void run(const std::string& command) {
    const std::string line = "cd " + repo.path() + " && GIT_CONFIG_GLOBAL=/dev/null " + command + " >/dev/null 2>&1";
    ASSERT_EQ(::system(line.c_str()), 0) << command;
  }
  void commit(const std::string& name, const std::string& text) {
    repo.write(name, text);
    run("git add -A && git -c user.name=t -c user.email=t@example.org commit -qm change");
  }
  GitPlace look(const std::string& path, const std::string& ref = "") {
    return checkout.look(repo.path(), ref, path, {});
  }
  std::string refusal(const std::string& path, const std::string& ref = "", std::string url = "") {
    try {
      checkout.look(url.empty() ? repo.path() : url, ref, path, {});
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }

  Folder repo;
  Folder dir;
  GitCheckout checkout{dir / "git"};
};

TEST_F(Git, ACommitElsewhereLeavesAFolderAsItWas) {
  const GitPlace frontend = look("frontend");
  const GitPlace backend = look("/backend/");
  commit("frontend/page.html", "two");
  EXPECT_NE(look("frontend").tree, frontend.tree);
  EXPECT_EQ(look("backend").tree, backend.tree);
  EXPECT_NE(look("backend").commit, backend.commit);
}

TEST_F(Git, AFolderIsWrittenAsTheCommitHasIt) {
  const GitPlace place = look("frontend");
  commit("frontend/page.html", "two");
  checkout.write(place, dir / "out");
  EXPECT_EQ(dir.read("out/page.html"), "one");
  EXPECT_FALSE(files::exists(dir / "out/backend"));
  checkout.write(look("."), dir / "all");
  EXPECT_EQ(dir.read("all/frontend/page.html"), "two");
}

TEST_F(Git, BranchesTagsAndCommitsAreFound) {
  const std::string first = look("").commit;
  run("git tag v1 && git checkout -qb next");
  commit("frontend/page.html", "next");
  EXPECT_EQ(look("", "v1").commit, first);
  EXPECT_EQ(look("", first).commit, first);
  EXPECT_NE(look("", "next").commit, first);
  EXPECT_EQ(look("", "main").commit, first);
}

TEST_F(Git, WhatCannotBeHadIsSaidInWords) {
  EXPECT_THAT(refusal("nowhere"), HasSubstr("has no folder \"nowhere\""));
  EXPECT_THAT(refusal("frontend/page.html"), HasSubstr("is a file"));
  EXPECT_THAT(refusal("../etc"), HasSubstr("leads out of the repository"));
  EXPECT_THAT(refusal("", "gone"), HasSubstr("no branch, tag or commit \"gone\""));
  EXPECT_THAT(refusal("", "", dir / "no-repository"), HasSubstr("fetching"));
  const std::string said = refusal("", "", "https://someone:s3cret@example.org/x.git");
  EXPECT_THAT(said, HasSubstr("secretRef"));
  EXPECT_EQ(said.find("s3cret"), std::string::npos);
}

TEST_F(Git, AServerThatFallsSilentIsGivenUpAndTheNextCallBeginsAnew) {
  const local::Fd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // takes connections, says nothing
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent.get(), 4), 0);
  socklen_t length = sizeof address;
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &length);
  GitCheckout impatient(dir / "git", std::chrono::milliseconds(300));
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/repo.git";
  try {
    impatient.fetch(url, "main", {});
    ADD_FAILURE() << "a silent server was waited for";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Timeout);
    EXPECT_THAT(error.message(), HasSubstr("the server does not answer"));
  }
  EXPECT_EQ(look("frontend").commit.size(), 40U);
}

TEST_F(Git, WhatAWorkerRefusesIsToldAsIfItHadHappenedHere) {
  try {
    look("frontend", "no-such-branch");
    ADD_FAILURE() << "a branch that is not there was found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
    EXPECT_THAT(error.message(), HasSubstr("no-such-branch"));
  }
}

}  // namespace
}  // namespace gantry::providers::source
