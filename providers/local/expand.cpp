#include "providers/local/expand.hpp"

namespace gantry::providers::local {
namespace {

const std::string* find(const std::vector<std::string>& environment, std::string_view name) {
  for (const auto& line : environment) {
    if (line.size() > name.size() && line[name.size()] == '=' && line.starts_with(name)) return &line;
  }
  return nullptr;
}

}  // namespace

std::string expand(std::string_view text, const std::vector<std::string>& environment) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    const auto end = text[at] == '$' && next == '(' ? text.find(')', at) : std::string_view::npos;
    if (text[at] == '$' && next == '$') {
      out += '$';
      at += 2;
    } else if (end != std::string_view::npos) {
      const std::string_view name = text.substr(at + 2, end - at - 2);
      const std::string* line = find(environment, name);
      out += line ? std::string_view(*line).substr(name.size() + 1) : text.substr(at, end - at + 1);
      at = end + 1;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace gantry::providers::local
