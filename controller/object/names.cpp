#include "controller/object/names.hpp"

#include <algorithm>

namespace gantry::object {

namespace {

constexpr std::string_view kLabelFormat = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kQualified = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

bool lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alphanumeric(char c) { return lower(c) || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view text) {
  return !text.empty() && lower(text.front()) && lower(text.back()) &&
         std::ranges::all_of(text, [](char c) { return lower(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  while (true) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_qualified_part(std::string_view text) {
  return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::ranges::all_of(text, [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string too_many_bytes(std::size_t max) { return "must be no more than " + std::to_string(max) + " bytes"; }

}  // namespace

std::string subdomain_problem(std::string_view name) {
  if (name.size() > 253) return too_many_bytes(253);
  if (is_subdomain(name)) return {};
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
         "start "
         "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '" +
         std::string(kLabelFormat) + "(\\." + std::string(kLabelFormat) + ")*')";
}

std::string dns_label_problem(std::string_view name) {
  if (name.size() > 63) return too_many_bytes(63);
  if (is_label(name)) return {};
  if (is_subdomain(name)) return "must not contain dots";
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
         "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '" +
         std::string(kLabelFormat) + "')";
}

std::string path_segment_problem(std::string_view name) {
  if (name == "." || name == "..") return "may not be '" + std::string(name) + "'";
  for (const char c : {'/', '%'}) {
    if (name.find(c) != std::string_view::npos) return std::string("may not contain '") + c + "'";
  }
  return {};
}

std::string label_key_problem(std::string_view key) {
  std::string_view name = key;
  if (const auto slash = key.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
             "an "
             "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" +
             std::string(kQualified) + "') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (prefix.empty()) return "prefix part must be non-empty";
    if (const std::string problem = subdomain_problem(prefix); !problem.empty()) return "prefix part " + problem;
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part " + too_many_bytes(63);
  if (is_qualified_part(name)) return {};
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric "
         "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" +
         std::string(kQualified) + "')";
}

std::string label_value_problem(std::string_view value) {
  if (value.size() > 63) return too_many_bytes(63);
  if (value.empty() || is_qualified_part(value)) return {};
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
         "and "
         "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
         "is "
         "'(" +
         std::string(kQualified) + ")?')";
}

}  // namespace gantry::object
