// Goal: what charts/ ships asks for what is really exported, and tells people what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "controller/base/json.hpp"
#include "controller/base/yaml.hpp"
#include "tests/tidy/tree.hpp"

namespace gantry::tidy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::regex kMetric(R"(\b(?:gantry|controller_runtime|workqueue|process)_[a-z_]+\b)");

std::string text_of(const File& file) {
  std::string text;
  for (const auto& line : file.lines) text += line + "\n";
  return text;
}

std::set<std::string> names_in(const std::string& text) {
  return {std::sregex_token_iterator(text.begin(), text.end(), kMetric), std::sregex_token_iterator()};
}

// Every name that stands in quotes in the code, which is how metrics are made.
std::set<std::string> exported() {
  std::set<std::string> names;
  const std::regex quoted(R"rx("((?:gantry|controller_runtime|workqueue|process)_[a-z_]+)")rx");
  for (const auto& file : sources()) {
    const std::string text = text_of(file);
    for (std::sregex_iterator at(text.begin(), text.end(), quoted), end; at != end; ++at) {
      names.insert((*at)[1]);
      for (const char* part : {"_bucket", "_sum", "_count"}) names.insert((*at)[1].str() + part);
    }
  }
  return names;
}

TEST(Charts, AskForMetricsThatAreExported) {
  const auto known = exported();
  ASSERT_TRUE(known.contains("gantry_resource_condition"));
  int asked = 0;
  for (const auto& file : files_below({"charts"}, {".json", ".yaml"})) {
    for (const auto& name : names_in(text_of(file))) {
      EXPECT_TRUE(known.contains(name)) << file.path << " asks for " << name << ", which nothing exports";
      ++asked;
    }
  }
  EXPECT_GT(asked, 40);
}

TEST(Charts, EveryAlertSaysHowBadItIsAndWhatToDo) {
  std::string runbook;
  for (const auto& file : files_below({"docs"}, {".md"})) {
    if (file.path == "docs/runbook.md") runbook = text_of(file);
  }
  int alerts = 0;
  for (const auto& file : files_below({"charts/alerts"}, {".yaml"})) {
    if (file.path.ends_with("tests.yaml")) continue;
    for (const auto& group : yaml::parse(text_of(file)).find("groups")->as_array()) {
      for (const auto& rule : group.find("rules")->as_array()) {
        const std::string name = rule.string_or("alert");
        ++alerts;
        EXPECT_THAT(name, StartsWith("Gantry"));
        EXPECT_THAT((std::set<std::string>{"critical", "warning", "info"}),
                    testing::Contains(rule.find("labels")->string_or("severity")))
            << name;
        std::string anchor = name;
        for (auto& letter : anchor) letter = static_cast<char>(std::tolower(letter));
        EXPECT_THAT(rule.find("annotations")->string_or("runbook_url"), EndsWith("docs/runbook.md#" + anchor));
        EXPECT_THAT(rule.find("annotations")->string_or("summary"), EndsWith(".")) << name;
        EXPECT_THAT(runbook, HasSubstr("\n## " + name + "\n")) << "docs/runbook.md does not say what to do";
      }
    }
  }
  EXPECT_GT(alerts, 10);
}

TEST(Charts, DashboardsAreOneFamilyAndNameNoDataSource) {
  std::set<std::string> uids;
  for (const auto& file : files_below({"charts/dashboards"}, {".json"})) {
    const json::Value board = json::parse(text_of(file));
    EXPECT_THAT(board.string_or("title"), StartsWith("Gantry / ")) << file.path;
    EXPECT_TRUE(uids.insert(board.string_or("uid")).second) << file.path << ": its uid is another board's";
    std::set<std::int64_t> ids;
    for (const auto& panel : board.find("panels")->as_array()) {
      EXPECT_TRUE(ids.insert(panel.find("id")->as_int()).second) << file.path;
      if (panel.string_or("type") == "row") continue;
      EXPECT_EQ(panel.at({"datasource", "uid"})->as_string(), "${datasource}") << file.path;
      EXPECT_FALSE(panel.find("targets")->as_array().empty()) << file.path;
    }
  }
  EXPECT_GE(uids.size(), 4U);
}

}  // namespace
}  // namespace gantry::tidy
