#include "controller/base/files.hpp"
#include "providers/local/code.hpp"

namespace gantry::providers::local {
namespace {

// "*" and "?" stay within one name; "**" between slashes stands for any number of folders.
bool matches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern.starts_with("**/")) {
      pattern.remove_prefix(3);
      for (std::size_t at = 0; at != std::string_view::npos;) {
        if (matches(pattern, path.substr(at))) return true;
        at = path.find('/', at);
        if (at != std::string_view::npos) ++at;
      }
      return false;
    }
    if (pattern == "**") return true;
    if (pattern[0] == '*') {
      while (pattern.starts_with('*')) pattern.remove_prefix(1);
      for (std::size_t at = 0;; ++at) {
        if (matches(pattern, path.substr(at))) return true;
        if (at == path.size() || path[at] == '/') return false;
      }
    }
    if (path.empty() || (pattern[0] == '?' ? path[0] == '/' : pattern[0] != path[0])) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
  }
  return path.empty();
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
