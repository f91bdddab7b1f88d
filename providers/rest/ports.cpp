#include "providers/rest/ports.hpp"

#include <charconv>

namespace gantry::providers::rest {
namespace {

bool read_port(std::string_view text, int& port) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  return problem == std::errc() && end == text.data() + text.size() && port >= 0 && port <= 65535;
}

}  // namespace

std::string ports_text(const FirewallRule& rule) {
  const std::string first = std::to_string(rule.first_port);
  return rule.first_port == rule.last_port ? first : first + "-" + std::to_string(rule.last_port);
}

bool read_ports(std::string_view text, FirewallRule& rule) {
  const auto dash = text.find('-');
  if (!read_port(text.substr(0, dash), rule.first_port)) return false;
  rule.last_port = rule.first_port;
  return dash == std::string_view::npos || read_port(text.substr(dash + 1), rule.last_port);
}

}  // namespace gantry::providers::rest
