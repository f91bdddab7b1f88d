// Goal: the scrape job of docs/metrics.md is all that an operator's Prometheus needs, and charts/ all that it and
// Grafana need to show and tell.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

std::string free_address() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

class Prometheus : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("prometheus") || !have("promtool"))
      GTEST_SKIP() << "NOT TESTED: prometheus (Debian: prometheus) is not installed";
    controller.start();
    controller.apply(
        "apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-1}\nspec: {providerRef: {name: p}}\n");
  }

  // The job as docs/metrics.md prints it, with the places filled in, and a second's interval.
  std::string scrape_job() const {
    const std::string page = read(GANTRY_SOURCE_DIR "/docs/metrics.md");
    const auto from = page.find("```yaml\n") + 8;
    std::string job = page.substr(from, page.find("```", from) - from);
    fill(job, "DATA_DIR", controller.folder("data"));
    fill(job, "127.0.0.1:6443", controller.address().substr(std::string("https://").size()));
    return "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" + job;
  }
  static void fill(std::string& text, const std::string& place, const std::string& value) {
    for (auto at = text.find(place); at != std::string::npos; at = text.find(place, at + value.size()))
      text.replace(at, place.size(), value);
  }

  void start(const std::string& configuration) {
    const std::string config = folder / "prometheus.yml";
    write(config, configuration);
    const auto checked = run({"promtool", "check", "config", config});
    ASSERT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    process = std::make_unique<Background>(
        std::vector<std::string>{"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + (folder / "tsdb"),
                                 "--web.listen-address=" + address, "--log.level=warn"},
        folder / "log");
    EXPECT_TRUE(eventually([&] { return value(R"(up{job="gantry"})") == "1"; })) << read(folder / "log");
  }
  json::Value ask(const std::string& path, const std::string& query = {}) const {
    std::vector<std::string> command{"curl", "-sS", "--max-time", "5", "-G"};
    if (!query.empty()) command.insert(command.end(), {"--data-urlencode", "query=" + query});
    command.push_back("http://" + address + "/api/v1/" + path);
    const auto answer = run(command);
    return answer.out.starts_with('{') ? json::parse(answer.out) : json::Value(json::Object());
  }
  std::string value(const std::string& query) const {
    const json::Value answer = ask("query", query);
    const json::Value* result = answer.at({"data", "result"});
    if (!result || result->as_array().empty()) return {};
    return result->as_array()[0].find("value")->as_array()[1].as_string();
  }

  Controller controller;
  TemporaryFolder folder;
  const std::string address = free_address();
  std::unique_ptr<Background> process;
};

TEST_F(Prometheus, ScrapesWithTheJobOfTheDocs) {
  start(scrape_job());
  EXPECT_TRUE(eventually([&] { return value("gantry_build_info") == "1"; }));
  EXPECT_TRUE(eventually([&] {
    return value(R"(max(gantry_resource_condition{kind="Server",name="web-1",type="Ready"}))") == "1";
  })) << value("count(gantry_resource_condition)");
  EXPECT_NE(value(R"(sum(controller_runtime_reconcile_total{result="success"}))"), "");
  EXPECT_EQ(process->stop(), 0);
}

TEST_F(Prometheus, UnderstandsEveryRuleAndPanelOfCharts) {
  const std::string charts = GANTRY_SOURCE_DIR "/charts/";
  const auto tested = run({"promtool", "test", "rules", charts + "alerts/tests.yaml"});
  EXPECT_EQ(tested.exit_code, 0) << tested.out << tested.err;

  start(scrape_job() + "rule_files: [" + charts + "alerts/gantry.yaml]\n");
  const auto unhealthy = [&] {
    std::string names;
    for (const auto& group : ask("rules").at({"data", "groups"})->as_array()) {
      for (const auto& rule : group.find("rules")->as_array())
        if (rule.string_or("health") != "ok")
          names += rule.string_or("name") + " " + rule.string_or("lastError") + "\n";
    }
    return names;
  };
  EXPECT_TRUE(eventually([&] { return unhealthy().empty(); })) << unhealthy();

  int panels = 0, with_data = 0;
  for (const auto& entry : std::filesystem::directory_iterator(charts + "dashboards")) {
    const json::Value board = json::parse(read(entry.path()));
    for (const auto& panel : board.find("panels")->as_array()) {
      const json::Value* targets = panel.find("targets");
      for (const auto& target : targets ? targets->as_array() : json::Array()) {
        std::string query = target.string_or("expr");
        fill(query, "$__rate_interval", "1m");
        for (const char* variable : {"$kind", "$namespace", "$name", "$controller", "$provider"})
          fill(query, variable, ".*");
        const json::Value answer = ask("query", query);
        EXPECT_EQ(answer.string_or("status"), "success") << panel.string_or("title") << ": " << query << "\n"
                                                         << json::dump(answer);
        ++panels;
        const json::Value* result = answer.at({"data", "result"});
        with_data += result && !result->as_array().empty();
      }
    }
  }
  EXPECT_GT(panels, 30);
  EXPECT_GT(with_data, panels / 3) << "a controller that runs has nothing to show on most panels";
}

}  // namespace
}  // namespace gantry::process
