// The agent driven with plain curl: every operation, and what it says to callers who are wrong, many, or malicious.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "tests/process/agent_process.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("curl")) GTEST_SKIP() << "curl is not installed";
    agent.start();
  }
  Agent agent;
};

bool is_envelope(const std::string& body) {
  const json::Value value = json::parse(body);
  const json::Value* data = value.find("data");
  return value.as_object().size() == 3 && value.find("success")->is_bool() && data && data->is_object() &&
         (value.bool_or("success", false) ? value.find("error")->is_null() : value.find("error")->is_string());
}

TEST_F(AgentTest, AnswersPingAndHealthToWhoeverHasTheKey) {
  const auto ping = agent.get("/ping");
  EXPECT_EQ(ping.status, 200);
  EXPECT_TRUE(ping.success);
  EXPECT_EQ(ping.data.string_or("status"), "ok");
  const auto health = agent.get("/health");
  EXPECT_EQ(health.data.string_or("status"), "healthy");
  EXPECT_EQ(health.data.string_or("version"), ping.data.string_or("version"));
  EXPECT_GT(health.data.find("capacity")->int_or("memoryBytes", 0), 0);
  EXPECT_GT(health.data.find("capacity")->int_or("cpuMillis", 0), 0);
  EXPECT_GT(health.data.find("usage")->int_or("diskBytes", 0), 0);
}

TEST_F(AgentTest, RefusesEveryCallWithoutTheRightKey) {
  const std::string right = agent.key();
  for (const auto& key : {std::string(), std::string("wrong"), right + "0", right.substr(0, 31), right + " "}) {
    for (const auto* path : {"/ping", "/health", "/containers", "/nothing", "/events"}) {
      if (key == right + " ") continue;  // blanks around a header's value are no part of it
      const auto answer = agent.call("GET", path, "", key);
      EXPECT_EQ(answer.status, 401) << path << " with \"" << key << "\"";
      EXPECT_TRUE(is_envelope(answer.body)) << answer.body;
      EXPECT_THAT(answer.error, HasSubstr("X-API-Key"));
    }
  }
  EXPECT_EQ(std::filesystem::status(agent.data() + "/agent.key").permissions() & std::filesystem::perms(0777),
            std::filesystem::perms(0600));
  EXPECT_THAT(agent.log(), Not(HasSubstr(right)));
}

TEST_F(AgentTest, RunsListsShowsStopsAndRemoves) {
  const auto run = agent.run("web-1", "echo hello; exec sleep 1000");
  ASSERT_EQ(run.status, 200) << run.body;
  EXPECT_EQ(run.data.find("instance")->string_or("state"), "Running");
  const int pid = agent.pid("web-1");
  EXPECT_EQ(::kill(pid, 0), 0);
  EXPECT_EQ(agent.run("web-1", "echo hello; exec sleep 1000").data.find("instance")->int_or("pid", 0), pid)
      << "the same id again starts nothing twice";
  EXPECT_EQ(agent.get("/containers").data.find("instances")->as_array().size(), 1U);
  EXPECT_EQ(agent.get("/containers?owner=somebody").data.find("instances")->as_array().size(), 0U);

  EXPECT_EQ(agent.call("DELETE", "/containers/web-1").status, 409) << "it still runs";
  EXPECT_EQ(agent.call("POST", "/containers/web-1/stop").status, 200);
  EXPECT_TRUE(eventually([&] { return agent.state("web-1") == "Exited"; }));
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_EQ(agent.call("DELETE", "/containers/web-1?logs").status, 200);
  EXPECT_EQ(agent.call("DELETE", "/containers/web-1?logs").status, 200) << "gone already is fine";
  EXPECT_EQ(agent.get("/containers/web-1").status, 404);
}

TEST_F(AgentTest, RestartsByASuccessor) {
  agent.run("web-1", "exec sleep 1000");
  const int before = agent.pid("web-1");
  EXPECT_EQ(agent.call("POST", "/containers/web-1/restart").status, 400);
  const auto restarted =
      agent.call("POST", "/containers/web-1/restart", R"({"id":"web-2","command":["sleep","1000"]})");
  ASSERT_EQ(restarted.status, 200) << restarted.body;
  EXPECT_EQ(agent.state("web-1"), "Exited");
  EXPECT_NE(::kill(before, 0), 0);
  EXPECT_EQ(agent.state("web-2"), "Running");
}

TEST_F(AgentTest, ShowsLogsWholeTheirEndAndAsTheyCome) {
  agent.run("talk-1", "for i in 1 2 3; do echo line $i; done; sleep 0.5; echo late; exec sleep 1000");
  EXPECT_TRUE(eventually(
      [&] { return agent.get("/containers/talk-1/logs").data.string_or("logs") == "line 1\nline 2\nline 3\n"; }));
  EXPECT_EQ(agent.get("/containers/talk-1/logs?tail=1").data.string_or("logs").substr(0, 4), "line");
  EXPECT_EQ(agent.get("/containers/talk-1/logs?since=2099-01-01T00:00:00Z").data.string_or("logs"), "");
  EXPECT_THAT(run({"curl", "-sNk", "--max-time", "2", "-H", "X-API-Key: " + agent.key(),
                   agent.url() + "/containers/talk-1/logs?follow"})
                  .out,
              "line 1\nline 2\nline 3\nlate\n");
  EXPECT_EQ(agent.get("/containers/talk-1/logs?tail=few").status, 400);
  EXPECT_EQ(agent.get("/containers/nobody/logs").status, 404);
}

TEST_F(AgentTest, SaysWhatIsWrongWithARequest) {
  const auto expect = [&](const Agent::Answer& answer, int status, const std::string& text) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_TRUE(is_envelope(answer.body)) << answer.body;
    EXPECT_THAT(answer.error, HasSubstr(text));
  };
  expect(agent.get("/nothing"), 404, "there is nothing at /nothing");
  expect(agent.call("PUT", "/ping"), 405, "is asked for with GET");
  expect(agent.call("POST", "/containers/run", "{\"id"), 400, "JSON");
  expect(agent.call("POST", "/containers/run", "[]"), 400, "an object is expected");
  expect(agent.call("POST", "/containers/run", "{}"), 400, "id: ");
  expect(agent.call("POST", "/containers/run", R"({"id":"a","comand":["x"]})"), 400, "comand: there is no such field");
  expect(agent.call("POST", "/containers/run", R"({"id":"../../etc","command":["true"]})"), 422, "is not valid");
  expect(agent.call("POST", "/containers/run", R"({"id":"a","command":["no-such-program"]})"), 422, "was not found");
  expect(agent.call("POST", "/containers/run", R"({"id":"a","command":"true"})"), 400, "an array is expected");
  expect(agent.call("POST", "/containers/run", R"({"id":"a","command":["x"],"ports":[{"port":70000}]})"), 400,
         "from 0 to 65535");
  expect(agent.call("POST", "/containers/run", R"({"id":"a","image":"x","runtime":"vm"})"), 400, "none of process");
  expect(agent.call("POST", "/containers/run", std::string(4 << 20, 'x')), 413, "larger than");
  expect(agent.call("POST", "/probe", R"({"port":0})"), 400, "port");
  EXPECT_EQ(agent.get("/containers").data.find("instances")->as_array().size(), 0U) << "nothing was begun";
}

TEST_F(AgentTest, TakesCodeByTheDigestOfItsContentAndRunsIt) {
  TemporaryFolder work;
  write(work / "code/hello.sh", "#!/bin/sh\necho from the code; pwd; exec sleep 1000\n");
  run({"sh", "-c",
       "chmod +x " + (work / "code/hello.sh") + " && mkdir " + (work / "code/empty") + " && tar -C " + (work / "code") +
           " -czf " + (work / "code.tgz") + " ."});
  const auto file = std::vector<std::string>{"--data-binary", "@" + (work / "code.tgz")};
  const auto sent = agent.call("POST", "/upload", "", {}, file);
  ASSERT_EQ(sent.status, 200) << sent.body;
  const std::string digest = sent.data.string_or("digest");
  EXPECT_THAT(digest, testing::StartsWith("sha256:"));
  EXPECT_TRUE(agent.get("/code/" + digest).data.bool_or("present", false));
  EXPECT_FALSE(agent.get("/code/sha256:" + std::string(64, '0')).data.bool_or("present", true));
  const auto wrong = agent.call("PUT", "/code/sha256:" + std::string(64, '0'), "", {}, file);
  EXPECT_EQ(wrong.status, 422);
  EXPECT_THAT(wrong.error, HasSubstr("the content is " + digest));
  EXPECT_EQ(agent.call("PUT", "/code/" + digest, "", {}, file).status, 200) << "here already is fine";
  EXPECT_EQ(agent.call("POST", "/upload", "this is no archive").status, 422);
  EXPECT_TRUE(eventually([&] { return std::filesystem::is_empty(agent.data() + "/uploads"); }))
      << "nothing is left of an upload";

  const auto spec = [&](const std::string& id, const std::string& extra) {
    return R"({"id":")" + id + R"(","command":["./hello.sh"],"codeDigest":")" + digest + "\"" + extra + "}";
  };
  ASSERT_EQ(agent.call("POST", "/containers/run", spec("code-1", "")).status, 200);
  EXPECT_TRUE(eventually([&] {
    return agent.get("/containers/code-1/logs")
               .data.string_or("logs")
               .find("from the code\n" + agent.data() + "/releases/") == 0;
  }));
  EXPECT_EQ(agent.call("POST", "/containers/run", spec("code-2", R"(,"workingDirectory":"../../..")")).status, 400);
  EXPECT_EQ(agent.call("POST", "/prune", "{}").status, 400);
  EXPECT_EQ(agent.call("POST", "/prune", R"({"keepCode":[]})").status, 200);
  EXPECT_TRUE(agent.get("/code/" + digest).data.bool_or("present", false)) << "what runs keeps what it runs from";
  agent.call("POST", "/containers/code-1/stop");
  EXPECT_TRUE(eventually([&] { return agent.instance("code-1").at({"instance", "state"})->as_string() == "Exited"; }));
  EXPECT_EQ(agent.call("POST", "/prune", R"({"keepCode":[]})").status, 200);
  EXPECT_FALSE(agent.get("/code/" + digest).data.bool_or("present", true));
}

TEST_F(AgentTest, RefusesAnArchiveThatLeadsElsewhere) {
  TemporaryFolder work;
  write(work / "evil/file", "x");
  run({"sh", "-c",
       "cd " + (work / "evil") + " && tar -czPf " + (work / "evil.tgz") + " ../evil/file --transform 's,^,../../,'"});
  const auto answer = agent.call("POST", "/upload", "", {}, {"--data-binary", "@" + (work / "evil.tgz")});
  EXPECT_EQ(answer.status, 422) << answer.body;
  EXPECT_THAT(answer.error, HasSubstr(".."));
}

TEST_F(AgentTest, ClonesFromGit) {
  if (!have("git")) GTEST_SKIP() << "git is not installed";
  TemporaryFolder work;
  write(work / "repo/server/run.sh", "#!/bin/sh\necho cloned\n");
  run({"sh", "-c",
       "cd " + (work / "repo") +
           " && chmod +x server/run.sh && git init -q -b main . && git add -A && git -c "
           "user.name=t -c user.email=t@example.org commit -qm one"});
  const auto clone =
      agent.call("POST", "/git/clone", R"({"url":"file://)" + (work / "repo") + R"(","ref":"main","path":"server"})");
  ASSERT_EQ(clone.status, 200) << clone.body;
  EXPECT_EQ(clone.data.string_or("commit").size(), 40U);
  const std::string digest = clone.data.string_or("digest");
  agent.call("POST", "/containers/run", R"({"id":"git-1","command":["./run.sh"],"codeDigest":")" + digest + "\"}");
  EXPECT_TRUE(eventually([&] { return agent.get("/containers/git-1/logs").data.string_or("logs") == "cloned\n"; }));
  EXPECT_EQ(agent.call("POST", "/git/clone", R"({"url":"file:///nowhere"})").success, false);
  EXPECT_EQ(agent.call("POST", "/git/clone", R"({"url":"file://)" + (work / "repo") + R"(","path":"../.."})").status,
            400);
}

TEST_F(AgentTest, BuildsWhatIsHere) {
  TemporaryFolder work;
  write(work / "code/in.txt", "built\n");
  run({"sh", "-c", "tar -C " + (work / "code") + " -cf " + (work / "code.tar") + " ."});
  const std::string digest =
      agent.call("POST", "/upload", "", {}, {"--data-binary", "@" + (work / "code.tar")}).data.string_or("digest");
  const auto body = [&](const std::string& command) {
    return R"({"app":"web","runtime":"process","command":")" + command + R"(","codeDigest":")" + digest + "\"}";
  };
  const auto built = agent.call("POST", "/build?wait", body("cp in.txt out.txt"));
  ASSERT_EQ(built.status, 200) << built.body << agent.log();
  EXPECT_EQ(built.data.string_or("phase"), "Done");
  EXPECT_EQ(read(built.data.string_or("folder") + "/out.txt"), "built\n");
  const auto failed = agent.call("POST", "/build?wait", body("echo no luck; exit 3"));
  EXPECT_EQ(failed.status, 422) << failed.body;
  EXPECT_THAT(failed.error, HasSubstr("no luck"));
  EXPECT_EQ(agent.call("POST", "/build", R"({"app":"web","codeDigest":"sha256:)" + std::string(64, '0') + "\"}").status,
            404);
}

TEST_F(AgentTest, ProbesForOthers) {
  EXPECT_FALSE(agent.call("POST", "/probe", R"({"port":1})").data.find("probe")->bool_or("healthy", true));
  const auto probe = agent.call("POST", "/probe", R"({"port":)" + std::to_string(agent.port()) + "}");
  EXPECT_TRUE(probe.data.find("probe")->bool_or("healthy", false)) << probe.body;
}

TEST_F(AgentTest, TellsOfAnEndWithinHalfASecond) {
  agent.run("web-1", "exec sleep 1000");
  const int pid = agent.pid("web-1");
  const std::string events = agent.data() + "/events";
  Background listening({"curl", "-sNk", "-H", "X-API-Key: " + agent.key(), agent.url() + "/events"}, events);
  ASSERT_TRUE(eventually([&] { return read(events).find("snapshot") != std::string::npos; }));
  EXPECT_EQ(read(events).find("Exited"), std::string::npos);
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(eventually([&] { return read(events).find("killed by signal 9") != std::string::npos; },
                         std::chrono::milliseconds(500)));
}

TEST_F(AgentTest, FindsItsInstancesAgainAfterKill9) {
  agent.run("web-1", "exec sleep 1000");
  const int pid = agent.pid("web-1");
  for (int round = 0; round < 3; ++round) {
    agent.kill();
    EXPECT_EQ(::kill(pid, 0), 0);
    agent.start();
    EXPECT_EQ(agent.pid("web-1"), pid);
    EXPECT_EQ(agent.state("web-1"), "Running");
  }
  ::kill(pid, SIGTERM);
  EXPECT_TRUE(eventually([&] { return agent.state("web-1") == "Exited"; }));
}

TEST_F(AgentTest, AcceptsTheOldKeyAndTheNewDuringARotation) {
  const std::string old = agent.key();
  const std::string fresh = "ea53868742b45ae19ed001c8334939ff";
  EXPECT_EQ(agent.call("POST", "/key", R"({"key":"short"})").status, 422);
  ASSERT_EQ(agent.call("POST", "/key", R"({"key":")" + fresh + R"(","overlapSeconds":3})").status, 200);
  EXPECT_EQ(agent.key(), fresh) << "the file has the new one first";
  EXPECT_EQ(agent.call("GET", "/ping", "", old).status, 200);
  EXPECT_EQ(agent.call("GET", "/ping", "", fresh).status, 200);
  agent.kill();
  agent.start();
  EXPECT_EQ(agent.call("GET", "/ping", "", fresh).status, 200) << "also after a restart";
  EXPECT_TRUE(eventually([&] { return agent.call("GET", "/ping", "", old).status == 401; }));
  EXPECT_EQ(agent.call("GET", "/ping", "", fresh).status, 200);
  EXPECT_THAT(agent.log(), AllOf(Not(HasSubstr(old)), Not(HasSubstr(fresh))));
}

class AgentUpgrade : public AgentTest {
 protected:
  static std::vector<std::string> file(const std::string& path) { return {"--data-binary", "@" + path}; }
  // A copy that is another file, so another digest.
  std::string another_binary() {
    std::filesystem::copy_file(gantry_binary(), work / "gantry");
    run({"sh", "-c", "printf x >> " + (work / "gantry")});
    return work / "gantry";
  }
  std::filesystem::path running_binary() {
    return std::filesystem::read_symlink("/proc/" + std::to_string(agent.get("/health").data.int_or("pid", 0)) +
                                         "/exe");
  }
  bool serves_again(int old_pid) {
    return eventually([&] {
      agent.follow_port();
      const auto health = agent.get("/health");
      return health.status == 200 && health.data.int_or("pid", 0) != old_pid &&
             health.data.find("lastUpgrade")->is_object();
    });
  }
  TemporaryFolder work;
};

TEST_F(AgentUpgrade, TakesANewBinaryAndWhatRunsDoesNotNotice) {
  agent.run("web-1", "exec sleep 1000");
  const int pid = agent.pid("web-1");
  const auto before = static_cast<int>(agent.get("/health").data.int_or("pid", 0));
  const auto sent = agent.call("POST", "/upgrade", "", {}, file(another_binary()));
  ASSERT_EQ(sent.status, 200) << sent.body << agent.log();
  ASSERT_TRUE(serves_again(before)) << agent.log();
  EXPECT_TRUE(agent.get("/health").data.find("lastUpgrade")->bool_or("success", false));
  EXPECT_EQ(agent.pid("web-1"), pid);
  const auto binary = running_binary();
  EXPECT_EQ("sha256:" + binary.filename().string(), sent.data.string_or("digest"));
  EXPECT_EQ(agent.stop(), 0);
  agent.start();
  EXPECT_EQ(running_binary(), binary) << "it stays, also over a restart";
  EXPECT_EQ(agent.pid("web-1"), pid);
}

TEST_F(AgentUpgrade, RefusesWhatDoesNotWorkBesideIt) {
  const auto before = agent.get("/health").data.int_or("pid", 0);
  write(work / "no-program", "this is text");
  EXPECT_THAT(agent.call("POST", "/upgrade", "", {}, file(work / "no-program")).error, HasSubstr("cannot be started"));
  write(work / "ends", "#!/bin/sh\nexit 0\n");
  EXPECT_THAT(agent.call("POST", "/upgrade", "", {}, file(work / "ends")).error, HasSubstr("ended at once"));
  EXPECT_EQ(agent.call("POST", "/upgrade?digest=sha256:0", "", {}, file(work / "ends")).status, 422);
  EXPECT_EQ(agent.get("/health").data.int_or("pid", 0), before) << "the old one goes on";
}

// Healthy where it was tried, and not where it has to serve.
TEST_F(AgentUpgrade, IsTakenBackWhenTheNewOneDoesNotServe) {
  agent.run("web-1", "exec sleep 1000");
  const int pid = agent.pid("web-1");
  const auto before = static_cast<int>(agent.get("/health").data.int_or("pid", 0));
  write(work / "two-faced",
        "#!/bin/sh\ncase \"$*\" in *bin/trial*) exec " + gantry_binary() + " \"$@\";; *) exit 7;; esac\n");
  const auto sent = agent.call("POST", "/upgrade", "", {}, file(work / "two-faced"));
  ASSERT_EQ(sent.status, 200) << sent.body;
  ASSERT_TRUE(serves_again(before)) << agent.log();
  const json::Value health = agent.get("/health").data;
  EXPECT_FALSE(health.find("lastUpgrade")->bool_or("success", true));
  EXPECT_THAT(health.find("lastUpgrade")->string_or("problem"), HasSubstr("ended with code 7"));
  EXPECT_EQ(agent.pid("web-1"), pid);
  EXPECT_THAT(agent.log(), HasSubstr("the agent before it runs again"));
}

TEST_F(AgentTest, IsAloneInItsFolder) {
  const auto second = run({gantry_binary(), "agent", "--data-dir", agent.data(), "--listen", "127.0.0.1:0"});
  EXPECT_NE(second.exit_code, 0);
  EXPECT_THAT(second.err, HasSubstr("agent.lock"));
}

TEST(AgentStart, SpeaksPlainHttpOnlyWhenAsked) {
  Agent plain({"--http"});
  plain.start();
  EXPECT_THAT(plain.url(), testing::StartsWith("http://"));
  EXPECT_EQ(plain.get("/ping").status, 200);
  EXPECT_THAT(plain.log(), HasSubstr("in clear text"));
  Agent secure;
  secure.start();
  EXPECT_THAT(run({"curl", "-s", "http://127.0.0.1:" + std::to_string(secure.port()) + "/ping"}).out,
              HasSubstr("This is an HTTPS server"));
}

TEST(AgentStart, RefusesWhatItCannotUse) {
  TemporaryFolder folder;
  const auto start = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {gantry_binary(), "agent", "--data-dir", folder / "data"});
    return run(more);
  };
  EXPECT_THAT(run({gantry_binary(), "agent"}).err, HasSubstr("--data-dir"));
  EXPECT_THAT(start({"--listen", "9999"}).err, HasSubstr("ADDRESS:PORT"));
  EXPECT_THAT(start({"--tls-certificate", "x"}).err, HasSubstr("belong together"));
  write(folder / "key", "too short\n");
  run({"chmod", "600", folder / "key"});
  EXPECT_THAT(start({"--key-file", folder / "key"}).err, HasSubstr("16 to 256"));
  run({"chmod", "644", folder / "key"});
  EXPECT_THAT(start({"--key-file", folder / "key"}).err, HasSubstr("can be read by others"));
}

}  // namespace
}  // namespace gantry::process
