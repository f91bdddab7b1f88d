#include <algorithm>

#include "controller/base/files.hpp"
#include "providers/local/code.hpp"

namespace gantry::providers::local {
namespace {

// The places in path up to which the pattern so far can reach, one bit each: linear in both, whatever the pattern.
class Reach {
 public:
  explicit Reach(std::string_view path) : path_(path), now_(path.size() + 1, false), next_(path.size() + 1) {
    now_[0] = true;
  }

  bool to_the_end() const { return now_.back(); }
  bool nowhere() const { return std::ranges::find(now_, true) == now_.end(); }
  void one(char c) {  // '?' for any but a slash
    step([&](std::size_t i) { return i > 0 && now_[i - 1] && (c == '?' ? path_[i - 1] != '/' : path_[i - 1] == c); });
  }
  void within_a_name() {
    step([&](std::size_t i) { return now_[i] || (i > 0 && next_[i - 1] && path_[i - 1] != '/'); });
  }
  void across_folders() {  // "**/": here, or behind any later slash
    bool before = false;
    step([&](std::size_t i) {
      const bool reached = now_[i] || (before && path_[i - 1] == '/');
      before = before || now_[i];
      return reached;
    });
  }
  void anything() {
    step([&](std::size_t i) { return now_[i] || (i > 0 && next_[i - 1]); });
  }

 private:
  template <class Rule>
  void step(Rule rule) {
    for (std::size_t i = 0; i < next_.size(); ++i) next_[i] = rule(i);
    now_.swap(next_);
  }
  std::string_view path_;
  std::vector<bool> now_, next_;
};

// "*" and "?" stay within one name; "**/" stands for any number of folders.
bool matches(std::string_view pattern, std::string_view path) {
  Reach reach(path);
  while (!pattern.empty() && !reach.nowhere()) {
    std::size_t used = 1;
    if (pattern.starts_with("**/")) {
      used = 3;
      reach.across_folders();
    } else if (pattern == "**") {
      used = 2;
      reach.anything();
    } else if (pattern[0] == '*') {
      reach.within_a_name();
    } else {
      reach.one(pattern[0]);
    }
    pattern.remove_prefix(used);
  }
  return pattern.empty() && reach.to_the_end();
}

}  // namespace

IgnoreRules IgnoreRules::of_folder(const std::string& folder) {
  constexpr std::size_t kFileMax = 1 << 20;
  IgnoreRules rules;
  rules.add(".git", false);
  for (const bool docker : {false, true}) {
    const auto text = files::read_file_if_exists(folder + (docker ? "/.dockerignore" : "/.gantryignore"), kFileMax);
    if (!text) continue;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      rules.add(rest.substr(0, end), docker);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    break;
  }
  return rules;
}

void IgnoreRules::add(std::string_view line, bool tied_to_top) {
  constexpr std::size_t kPatternMax = 256;  // with the rules' number, what bounds the time of one match
  constexpr std::size_t kRulesMax = 1000;
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
  if (line.empty() || line[0] == '#' || line.size() > kPatternMax || rules_.size() >= kRulesMax) return;
  Rule rule;
  rule.take_back = line[0] == '!';
  if (rule.take_back) line.remove_prefix(1);
  rule.folders_only = line.ends_with('/');
  if (rule.folders_only) line.remove_suffix(1);
  const bool has_slash = line.find('/') != std::string_view::npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.starts_with("./")) line.remove_prefix(2);
  if (line.empty() || line == ".") return;
  rule.pattern = (has_slash || tied_to_top ? "" : "**/") + std::string(line);
  rules_.push_back(std::move(rule));
}

bool IgnoreRules::ignores(std::string_view path, bool is_folder) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folders_only && !is_folder) continue;
    if (matches(rule->pattern, path)) return !rule->take_back;
  }
  return false;
}

}  // namespace gantry::providers::local
