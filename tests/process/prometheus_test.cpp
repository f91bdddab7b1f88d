// Goal: the scrape job of docs/metrics.md is all that an operator's Prometheus needs.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

using testing::HasSubstr;

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

// The job as docs/metrics.md prints it, with the places filled in, and a second's interval.
std::string scrape_job(const Controller& controller) {
  const std::string page = read(GANTRY_SOURCE_DIR "/docs/metrics.md");
  const auto from = page.find("```yaml\n") + 8;
  std::string job = page.substr(from, page.find("```", from) - from);
  const auto fill = [&](const std::string& place, const std::string& value) {
    for (auto at = job.find(place); at != std::string::npos; at = job.find(place, at + value.size()))
      job.replace(at, place.size(), value);
  };
  fill("DATA_DIR", controller.folder("data"));
  fill("127.0.0.1:6443", controller.address().substr(std::string("https://").size()));
  return "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + job;
}

TEST(Prometheus, ScrapesWithTheJobOfTheDocs) {
  if (!have("prometheus") || !have("promtool")) GTEST_SKIP() << "prometheus (Debian: prometheus) is not installed";
  Controller controller;
  controller.start();
  controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-1}\nspec: {providerRef: {name: p}}\n");

  TemporaryFolder folder;
  const std::string config = folder / "prometheus.yml";
  write(config, scrape_job(controller));
  const auto checked = run({"promtool", "check", "config", config});
  ASSERT_EQ(checked.exit_code, 0) << checked.out << checked.err;

  const std::string address = free_address();
  Background prometheus({"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + (folder / "tsdb"),
                         "--web.listen-address=" + address, "--log.level=warn"},
                        folder / "log");
  const auto value = [&](const std::string& query) {
    const auto answer = run({"curl", "-sS", "--max-time", "5", "-G", "--data-urlencode", "query=" + query,
                             "http://" + address + "/api/v1/query"});
    if (!answer.out.starts_with('{')) return std::string();
    const json::Value parsed = json::parse(answer.out);
    const json::Value* result = parsed.at({"data", "result"});
    if (!result || result->as_array().empty()) return std::string();
    return result->as_array()[0].find("value")->as_array()[1].as_string();
  };
  EXPECT_TRUE(eventually([&] { return value(R"(up{job="gantry"})") == "1"; })) << read(folder / "log");
  EXPECT_TRUE(eventually([&] { return value("gantry_build_info") == "1"; }));
  EXPECT_TRUE(eventually([&] {
    return value(R"(max(gantry_resource_condition{kind="Server",name="web-1",type="Ready"}))") == "1";
  })) << value("count(gantry_resource_condition)");
  EXPECT_NE(value(R"(sum(controller_runtime_reconcile_total{result="success"}))"), "");
  EXPECT_EQ(prometheus.stop(), 0);
}

}  // namespace
}  // namespace gantry::process
