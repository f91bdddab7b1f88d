// Goal: the house's rules that a compiler does not know. Each banned word comes with what to use instead.
#include <gtest/gtest.h>

#include <regex>

#include "tests/tidy/tree.hpp"

namespace gantry::tidy {
namespace {

struct Banned {
  std::regex word;
  std::regex allowed_in;  // file paths
  std::string instead;
};

TEST(Words, NobodyGoesAroundTheSeams) {
  const std::vector<Banned> rules{
      {std::regex(R"((system|steady)_clock::now\()"),
       std::regex("controller/base/clock\\.cpp|controller/app/main\\.cpp"),
       "reactor.clock(), so that tests own the time"},
      {std::regex(R"(\bsleep_for\(std::|usleep\(|std::this_thread::sleep)"), std::regex("none"),
       "co_await sleep_for(reactor, ...)"},
      {std::regex(R"(\bstd::thread\b[^:])"), std::regex("controller/base/.*|controller/app/.*|controller/cli/.*"),
       "Blocking, or a Reactor"},
      {std::regex(R"(\bstd::(random_device|mt19937|rand\b))"), std::regex("controller/base/random\\.cpp"),
       "Random, so that a seed can be replayed"},
      {std::regex(R"(\bclass \w+(Manager|Helper|Util|Utils|Impl)\b)"), std::regex("none"),
       "a name that says what it is"},
      {std::regex(R"(\b(TODO|FIXME|XXX|HACK)\b)"), std::regex("none"), "an issue, or the work itself"},
      {std::regex(R"(\bstd::cout\b|\bprintf\()"), std::regex("controller/(cli|app)/.*"),
       "log::Logger, or the command's own streams"},
  };
  for (const auto& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const auto& rule : rules) {
        if (!std::regex_search(file.lines[i], rule.word) || std::regex_match(file.path, rule.allowed_in)) continue;
        ADD_FAILURE() << file.path << ":" << i + 1 << ": " << file.lines[i] << "\n  use instead: " << rule.instead;
      }
    }
  }
}

TEST(Words, EveryHeaderSaysWhatItIsFor) {
  for (const auto& file : sources()) {
    if (!file.path.ends_with(".hpp") || file.lines.empty()) continue;
    EXPECT_TRUE(file.lines[0].starts_with("// ")) << file.path << " begins without a sentence on what it is for";
  }
}

TEST(Words, NoFileOutgrowsItsRoom) {
  for (const auto& file : sources()) {
    EXPECT_LE(file.lines.size(), 700U) << file.path << " has " << file.lines.size()
                                       << " lines: would two rooms be clearer?";
  }
}

TEST(Words, EveryLinkInTheDocsLeadsSomewhere) {
  const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  auto pages = files_below({"docs"}, {".md"});
  File readme{"README.md", {}};
  std::ifstream in(GANTRY_SOURCE_DIR "/README.md");
  for (std::string line; std::getline(in, line);) readme.lines.push_back(line);
  pages.push_back(readme);
  for (const auto& page : pages) {
    const auto folder = std::filesystem::path(GANTRY_SOURCE_DIR) / std::filesystem::path(page.path).parent_path();
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
      for (std::sregex_iterator at(page.lines[i].begin(), page.lines[i].end(), link), end; at != end; ++at) {
        const std::string target = (*at)[1];
        EXPECT_TRUE(std::filesystem::exists(folder / target))
            << page.path << ":" << i + 1 << " links to " << target << ", which is not there";
      }
    }
  }
}

}  // namespace
}  // namespace gantry::tidy
