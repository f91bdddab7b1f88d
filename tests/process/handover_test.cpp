// Goal: a team that used to deploy with curl goes on doing so: every call that they know, in the order of a day's work,
// with the answers that their pages read.
// Method: one table of calls, played with curl against the real controller, an emulated vendor and real machines. Every
// answer, whatever else it is to say, names no token and no value of a variable; and every stream is taken apart as old
// clients do: one line an event, ids that rise, one `done` at the end.
#include <gmock/gmock.h>

#include <regex>

#include "controller/base/base64.hpp"
#include "tests/emulators/digitalocean.hpp"
#include "tests/process/real_cloud.hpp"

namespace gantry::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

struct Step {
  const char* what;
  const char* call;  // method and path; {word}: what was learnt before
  const char* body;  // empty: none is sent
  int status;
  std::vector<const char*> says;  // each somewhere in the answer
  // From a JSON answer: as {word} from now on; "1.ip" is the ip of the second of a list.
  std::vector<std::pair<const char*, const char*>> learn{};
};

const std::vector<Step>& day_of_work() {
  static const std::vector<Step> steps{
      {"nothing is there", "GET /infra/setup/status", "", 200, {R"("exists":false)", "base-docker-ubuntu"}},
      {"nor is anything that it could be built from",
       "POST /infra/images/build/stream",
       R"({"name":"media"})",
       200,
       {R"("success":false)", "there is no snapshot base-docker-ubuntu"}},
      {"the base snapshot", "POST /infra/setup/init/stream", "", 200, {R"("success":true)"}},
      {"it is there", "GET /infra/setup/status", "", 200, {R"("exists":true)", R"("current":true)"}},
      {"and listed", "GET /infra/snapshots", "", 200, {R"("name":"base-docker-ubuntu")"}, {{"base", "0.id"}}},
      {"one of their own, from the base",
       "POST /infra/images/build/stream",
       R"({"name":"media","packages":["ffmpeg"]})",
       200,
       {R"("success":true)"}},
      {"both are listed", "GET /infra/snapshots", "", 200, {R"("regions":["lon1"])"}, {{"media", "1.id"}}},
      {"to all regions", "POST /infra/snapshots/{media}/transfer-all", "", 202, {R"("name":"media")"}},
      {"and once more, as somebody impatient would", "POST /infra/snapshots/{media}/transfer-all", "", 202, {}},
      {"the base is needed", "DELETE /infra/snapshots/{base}", "", 409, {"needed by Snapshot media"}},
      {"two servers",
       "POST /infra/servers/provision",
       R"({"snapshot_id":"{media}","region":"lon1","size":"s-1vcpu-1gb","count":2})",
       202,
       {R"("success":true)"},
       {{"stream", "stream"}}},
      {"which come", "GET {stream}", "", 200, {R"("success":true)", R"("id":"{media}")"}},
      {"with what a page filters by",
       "GET /infra/servers",
       "",
       200,
       {R"("image":{"id":"{media}","name":"media"})", R"("region":"lon1")"},
       {{"ip", "0.ip"}, {"other", "1.ip"}, {"server", "0.name"}}},
      {"health of one", "GET /infra/agent/health?server_ip={ip}", "", 200, {R"("success":true)", "AgentAnswers"}},
      {"of one that is nobody's", "GET /infra/agent/health?server_ip=192.0.2.1", "", 404, {"192.0.2.1"}},
      {"code, on both",
       "POST /api/v1/infra/deploy",
       R"({"name":"myapp","port":8000,"env_vars":{"KEY":"a-value-of-theirs"},"environment":"prod","tags":["api","v2"],
           "source_type":"code","code_tar_b64":"{code}","dockerfile":"FROM scratch\nCOPY service /app\nCMD [\"/app\"]\n",
           "server_ips":["{ip}","{other}"],"new_server_count":0,"snapshot_id":"{media}","region":"lon1",
           "size":"s-1vcpu-1gb"})",
       200,
       {R"("success":true)", R"("ip":"{ip}")", R"("ip":"{other}")", "🚀 Deploying myapp-prod from code"}},
      {"a repository, on one and on a new one",
       "POST /infra/deploy/unified",
       R"({"name":"fromgit","port":8000,"env_vars":{"KEY":"a-value-of-theirs"},"environment":"prod","tags":["api"],
           "source_type":"git","git_url":"{repository}","git_branch":"main","git_token":"ghp_of_theirs",
           "server_ips":["{ip}"],"new_server_count":1,"snapshot_id":"{media}","region":"lon1","size":"s-1vcpu-1gb"})",
       200,
       {R"("success":true)", R"("ip":"{ip}")", R"("name":"fromgit-prod-)"}},
      {"the new one has their tags", "GET /infra/servers", "", 200, {R"("tags":["api"])"}},
      {"an image, with the fields of the other sources left empty, as a form sends them",
       "POST /infra/deploy",
       R"({"name":"web","port":80,"env_vars":{},"environment":"prod","tags":[],"source_type":"image","code_tar_b64":"",
           "dockerfile":"","git_url":"","git_branch":"","git_token":"","image":"nginx:latest","server_ips":["{other}"],
           "new_server_count":0,"snapshot_id":"","region":"","size":""})",
       200,
       {R"("success":true)"}},
      {"on a server that is nobody's",
       "POST /infra/deploy",
       R"({"name":"web","port":80,"source_type":"image","image":"nginx:latest","server_ips":["192.0.2.1"]})",
       200,
       {R"("success":false)", "192.0.2.1"}},
      {"with half of it missing", "POST /infra/deploy", R"({"name":"web"})", 422, {"port: Required", "source_type"}},
      {"quickly",
       "POST /infra/deploy/single",
       R"({"name":"quick","port":80,"image":"nginx:latest","server_ip":"{ip}"})",
       200,
       {R"("success":true)", R"("ip":"{ip}")"}},
      {"quickly, and nowhere",
       "POST /infra/deploy/single",
       R"({"name":"quick","port":80,"image":"nginx:latest"})",
       422,
       {"server_ip"}},
      {"code alone", "POST /infra/deploy/upload", R"({"server_ip":"{ip}","code_tar_b64":"{code}"})", 200, {"sha256:"}},
      {"an agent pulls", "POST /infra/agent/{ip}/pull", R"({"image":"nginx:latest"})", 200, {"sha256:"}},
      {"it clones", "POST /infra/agent/{ip}/git/clone", R"({"url":"{nowhere}"})", 503, {"fetching"}},
      {"it builds what it has been given", "POST /infra/agent/{ip}/build", R"({"app":"x"})", 404, {"POST /upload"}},
      {"it runs",
       "POST /infra/agent/{other}/containers/run",
       R"({"name":"more","port":80,"image":"nginx:latest"})",
       200,
       {R"("success":true)"}},
      {"an agent that is nobody's", "POST /infra/agent/192.0.2.1/pull", R"({"image":"nginx"})", 404, {"192.0.2.1"}},
      {"a server goes, and what ran there is named",
       "DELETE /infra/servers/{server}",
       "",
       200,
       {R"("apps":[)", "myapp-prod"}},
      {"it is going", "DELETE /infra/servers/{server}", "", 200, {R"("success":true)"}},
      {"the snapshot is in use", "DELETE /infra/snapshots/{media}", "", 409, {"needed by Server"}},
  };
  return steps;
}

class Handover : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("git")) GTEST_SKIP() << "git is not installed";
    cloud = std::make_unique<RealCloud<emulators::DigitalOcean>>(emulators::Pace{.create = 500ms,
                                                                                 .remove = 200ms,
                                                                                 .power = 200ms,
                                                                                 .snapshot = 500ms,
                                                                                 .transfer = 500ms,
                                                                                 .small = 100ms,
                                                                                 .script = 1s,
                                                                                 .visible = 500ms});
    if (!cloud->trouble().empty()) GTEST_SKIP() << cloud->trouble();
    controller = std::make_unique<Controller>(cloud->controller_arguments());
    ::mkdir(controller->folder("data").c_str(), 0700);
    write(controller->folder("data/tokens.csv"), "token-of-the-page,page,1,\"system:masters\"\n");
    ::chmod(controller->folder("data/tokens.csv").c_str(), 0600);
    controller->start();
    // That the vendor is emulated is all that has to be said beforehand; its token comes with the calls.
    controller->apply(
        "apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: do}\nspec: {type: digitalocean, "
        "region: lon1, endpoint: \"" +
        cloud->url() + "\", credentials: {secretRef: {name: do-token}}}\n");
    lay_out_code();
  }
  void TearDown() override {
    if (HasFailure() && controller) {
      std::cout << controller->gantry({"get", "providers,snapshots,servers,apps", "-o", "yaml"}).out
                << controller->log();
      cloud->tell_all();
    }
    controller.reset();
    cloud.reset();
  }
  void lay_out_code() {
    const std::string folder = controller->folder("code");
    const std::string repository = controller->folder("repository");
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(GANTRY_BINARY_DIR "/tests/stand_in", folder + "/service");
    write(folder + "/Dockerfile", "FROM scratch\nCOPY service /service\nUSER 1000\nCMD [\"/service\"]\n");
    const Outcome made = run({"sh", "-ec",
                              "tar -C " + folder + " -czf " + folder + ".tar.gz .\ncp -r " + folder + " " + repository +
                                  "\ncd " + repository +
                                  "\ngit init -q -b main .\ngit add -A\n"
                                  "git -c user.name=t -c user.email=t@example.org commit -qm first"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    learnt["code"] = base64_encode(read(folder + ".tar.gz"));
    learnt["repository"] = "file://" + repository;
    learnt["nowhere"] = "file://" + controller->folder("nowhere");
  }

  std::string filled(std::string text) const {
    for (const auto& [word, value] : learnt) {
      const std::string place = "{" + word + "}";
      for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += value.size())
        text.replace(at, place.size(), value);
    }
    return text;
  }
  struct Answer {
    int status = 0;
    std::string text;
  };
  // `more`: further arguments of curl's.
  Answer ask(const std::string& call, const std::string& body, std::vector<std::string> more = {}) const {
    const auto space = call.find(' ');
    const std::string path = call.substr(space + 1);
    std::vector<std::string> command{"curl", "-sSNk",          "-X", call.substr(0, space),
                                     "-w",   "\n%{http_code}", "-H", "Authorization: Bearer token-of-the-page"};
    if (!body.empty()) {
      write(controller->folder("body.json"), body);
      command.insert(command.end(), {"-d", "@" + controller->folder("body.json")});
    }
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(controller->address() + path + (path.contains('?') ? "&" : "?") + "do_token=" + cloud->token());
    const Outcome asked = run(command, {}, {}, 400s);
    const auto end = asked.out.rfind('\n');
    return {std::atoi(asked.out.c_str() + end + 1), asked.out.substr(0, end)};
  }

  // How many events; the last one is of type done when it is to be whole.
  static std::size_t expect_stream(const std::string& text, bool whole) {
    std::size_t events = 0;
    std::size_t last = 0;
    std::size_t dones = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto end = rest.find("\n\n");
      if (end == std::string_view::npos) break;  // cut off
      const std::string_view block = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      EXPECT_FALSE(block.contains('\n')) << block;
      if (block.starts_with("data: ")) {
        const json::Value event = json::parse(block.substr(6));
        EXPECT_EQ(dones, 0U) << "after the end: " << block;
        dones += event.string_or("type") == "done";
        EXPECT_TRUE(event.string_or("type") == "done" || !event.string_or("message").empty()) << block;
        ++events;
      } else if (block.starts_with("id: ")) {
        const std::size_t number = std::stoul(std::string(block.substr(block.rfind('-') + 1)));
        EXPECT_TRUE(last == 0 || number == last + 1) << block;
        last = number;
      } else {
        EXPECT_TRUE(block.starts_with(":")) << block;
      }
    }
    EXPECT_TRUE(!whole || (rest.empty() && dones == 1)) << text;
    return events;
  }
  void learn(const Step& step, const std::string& text) {
    const json::Value answer = json::parse(text);
    for (const auto& [word, place] : step.learn) {
      const json::Value* at = &answer;
      std::istringstream names(place);
      for (std::string name; at && std::getline(names, name, '.');)
        at = at->is_array() ? &at->as_array().at(std::stoul(name)) : at->find(name);
      ASSERT_TRUE(at && at->is_string()) << place << " of " << text;
      learnt[word] = at->as_string();
    }
  }

  std::unique_ptr<RealCloud<emulators::DigitalOcean>> cloud;
  std::unique_ptr<Controller> controller;
  std::map<std::string, std::string> learnt;
};

TEST_F(Handover, ADayOfWorkGoesAsItAlwaysDid) {
  for (const auto& step : day_of_work()) {
    SCOPED_TRACE(step.what);
    const Answer answer = ask(filled(step.call), filled(step.body));
    EXPECT_EQ(answer.status, step.status) << answer.text;
    for (const char* words : step.says) EXPECT_THAT(answer.text, HasSubstr(filled(words)));
    for (const std::string& secret : {cloud->token(), std::string("ghp_of_theirs"), std::string("a-value-of-theirs")})
      EXPECT_THAT(answer.text, Not(HasSubstr(secret)));
    if (answer.text.starts_with("data: ")) expect_stream(answer.text, true);
    if (!step.learn.empty()) learn(step, answer.text);
    if (HasFailure()) return;
  }
  // What the streams said is so.
  const json::Value app = controller->get("app/fromgit-prod");
  const json::Value* urls = app.at({"status", "urls"});
  ASSERT_TRUE(urls) << json::dump(app);
  EXPECT_EQ(curl(urls->as_array().back().as_string() + "/env/KEY"), "a-value-of-theirs");
  for (const std::string& secret : {cloud->token(), std::string("ghp_of_theirs"), std::string("a-value-of-theirs")})
    EXPECT_THAT(controller->log(), Not(HasSubstr(secret)));

  // An agent is asked by its key, with curl: by HTTPS, and who comes by HTTP is told so.
  const Outcome key = controller->kubectl({"get", "secrets", "-o", "jsonpath={.items[?(@.data.key)].data.key}"});
  const std::string first = key.out.substr(0, key.out.find(' '));
  const std::string header = "X-API-Key: " + base64_decode(first).value_or("");
  bool opened = false;
  for (const auto& url : urls->as_array()) {
    const std::string host = std::regex_replace(url.as_string(), std::regex("^https?://([^:/]*).*"), "$1");
    for (const char* call : {"/ping", "/health"}) {
      const std::string door = host + ":9999" + call;
      opened = run({"curl", "-sSk", "-H", header, "https://" + door}).out.contains(R"("status":"ok")") || opened;
      EXPECT_THAT(run({"curl", "-sS", "-H", header, "http://" + door}).out, HasSubstr("Use https://"));
    }
  }
  EXPECT_TRUE(opened);
}

TEST_F(Handover, WhoIsCutOffGoesOnBehindTheLastEventAndTheWorkDidNotWait) {
  std::string cut;
  ASSERT_TRUE(eventually([&] {
    cut = ask("POST /infra/setup/init/stream", "", {"--max-time", "2"}).text;
    return cut.contains("\nid: ");
  }));
  EXPECT_GE(expect_stream(cut, false), 1U);
  const auto at = cut.rfind("\nid: ") + 5;
  const std::string id = cut.substr(at, cut.find('\n', at) - at);
  const std::string rest = ask("POST /infra/setup/init/stream", "", {"-H", "Last-Event-ID: " + id}).text;
  expect_stream(rest, true);
  EXPECT_THAT(rest, HasSubstr(R"("success":true)"));
  const std::string run_id = id.substr(0, id.rfind('-'));
  const std::string next = "id: " + run_id + "-" + std::to_string(std::stoul(id.substr(id.rfind('-') + 1)) + 1) + "\n";
  EXPECT_THAT(rest.substr(0, rest.find("\nid: ") + 40), HasSubstr(next));
  EXPECT_EQ(cloud->there([](auto& vendor) { return vendor.creations(); }), 1) << "one builder, however often one looks";
}

}  // namespace
}  // namespace gantry::process
