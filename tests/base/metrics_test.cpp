#include "controller/base/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, AreRenderedAsPrometheusReadsThem) {
  const auto counter = metrics::counter("gantry_test_requests_total", "Requests of this test.", {{"code", "200"}});
  counter.add();
  counter.add(2);
  metrics::gauge("gantry_test_depth", "Depth of this test.").set(4.5);
  metrics::histogram("gantry_test_seconds", "Time of this test.", {0.1, 1}).observe(0.5);
  const std::string text = metrics::render();
  EXPECT_THAT(
      text,
      HasSubstr("# HELP gantry_test_requests_total Requests of this test.\n# TYPE gantry_test_requests_total counter\n"
                "gantry_test_requests_total{code=\"200\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("gantry_test_depth 4.5\n"));
  EXPECT_THAT(text, HasSubstr("gantry_test_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("gantry_test_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gantry_test_seconds_count 1\n"));
}

TEST(Metrics, WithOneNameAreOneSeries) {
  metrics::counter("gantry_test_same_total", "One.").add();
  metrics::counter("gantry_test_same_total", "Another text.").add();
  EXPECT_EQ(metrics::counter("gantry_test_same_total", "One.").value(), 2.0);
}

TEST(Metrics, AreRefreshedBeforeTheyAreRead) {
  metrics::on_collect([] { metrics::gauge("gantry_test_fresh", "Set at collection.").set(7); });
  EXPECT_THAT(metrics::render(), HasSubstr("gantry_test_fresh 7\n"));
}

TEST(Metrics, OfWhatIsGoneGo) {
  const metrics::Labels gone{{"name", "gone"}};
  metrics::gauge("gantry_test_objects", "Objects.", gone).set(1);
  metrics::gauge("gantry_test_objects", "Objects.", {{"name", "here"}}).set(1);
  metrics::remove_gauge("gantry_test_objects", gone);
  metrics::remove_gauge("gantry_test_never", {});
  const std::string text = metrics::render();
  EXPECT_THAT(text, HasSubstr("gantry_test_objects{name=\"here\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("name=\"gone\"")));
}

}  // namespace
}  // namespace gantry
