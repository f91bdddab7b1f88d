// Goal: nobody looks up or sideways. Method: every #include of ours is held against layers.txt.
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "tests/tidy/tree.hpp"

namespace gantry::tidy {
namespace {

std::map<std::string, std::vector<std::string>> table() {
  std::map<std::string, std::vector<std::string>> rows;
  std::ifstream in(GANTRY_SOURCE_DIR "/tests/tidy/layers.txt");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto colon = line.find(':');
    std::istringstream words(line.substr(colon + 1));
    auto& row = rows[line.substr(0, colon)];
    for (std::string word; words >> word;) row.push_back(word);
  }
  return rows;
}

bool inside(const std::string& path, const std::string& place) {
  return path == place || path.starts_with(place + "/");
}

std::string room_of(const std::string& path, const std::map<std::string, std::vector<std::string>>& rows) {
  std::string best;
  for (const auto& [room, allowed] : rows) {
    if (inside(path, room) && room.size() > best.size()) best = room;
  }
  return best;
}

TEST(Layers, EveryIncludeLooksDown) {
  const auto rows = table();
  const std::regex include(R"rx(^\s*#\s*include\s+"([^"]+)")rx");
  for (const auto& file : sources()) {
    const std::string room = room_of(file.path, rows);
    ASSERT_FALSE(room.empty()) << file.path << " lies in no room of layers.txt";
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.lines[i], match, include)) continue;
      const std::string target = match[1];
      if (inside(target, room)) continue;
      bool allowed = false;
      std::string may;
      for (const auto& place : rows.at(room)) {
        allowed = allowed || inside(target, place);
        may += " " + place;
      }
      EXPECT_TRUE(allowed) << file.path << ":" << i + 1 << " includes " << target << "; " << room
                           << " may include:" << may;
    }
  }
}

// A heavy header costs seconds in every file that sees it (docs/architecture.md), so each has its few doors.
TEST(Layers, HeavyHeadersStayBehindTheirDoors) {
  const std::map<std::string, std::regex> heavy{
      {"<spdlog/", std::regex("controller/base/log\\.cpp")},
      {"<cpprest/", std::regex("controller/base/cpprest_[a-z]+\\.cpp")},
      {"<yaml-cpp/", std::regex("controller/base/yaml\\.cpp")},
      {"<prometheus/", std::regex("controller/base/metrics\\.cpp")},
      {"<simdjson", std::regex("controller/base/json\\.cpp")},
      {"<lmdb", std::regex("controller/store/[a-z_]+\\.cpp")},
      {"<git2", std::regex("providers/source/[a-z_]+\\.cpp")},
      {"<archive", std::regex("providers/source/(un)?pack\\.cpp|tests/.*")},
      {"<boost/beast", std::regex("controller/(api/http|base)/[a-z_]+\\.(cpp|hpp)")},
  };
  for (const auto& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const auto& [header, doors] : heavy) {
        if (file.lines[i].find("#include " + header) == std::string::npos) continue;
        EXPECT_TRUE(std::regex_match(file.path, doors)) << file.path << ":" << i + 1 << " includes " << header;
      }
    }
  }
}

}  // namespace
}  // namespace gantry::tidy
