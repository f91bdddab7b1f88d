#include "controller/cli/path.hpp"

#include <charconv>

#include "controller/cli/flags.hpp"
#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

template <class F>
PathPtr compiled(std::string_view text, F compile) {
  try {
    return std::make_shared<const object::JsonPath>(compile(text));
  } catch (const Error& error) {
    throw UsageError(error.message());
  }
}

bool read_number(std::string_view text, double& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size();
}

std::string first_text(const json::Value& object, const object::JsonPath& path) {
  const auto found = path.find(object);
  return found.empty() ? std::string() : text_of(*found.front());
}

}  // namespace

PathPtr path_of(std::string_view text) { return compiled(text, object::JsonPath::parse); }

PathPtr template_of(std::string_view text) { return compiled(text, object::JsonPath::parse_template); }

bool comes_before(std::string_view one, std::string_view other) {
  double a = 0, b = 0;
  if (read_number(one, a) && read_number(other, b)) return a < b;
  return one < other;
}

bool comes_before(const json::Value& one, const json::Value& other, const object::JsonPath& path) {
  return comes_before(first_text(one, path), first_text(other, path));
}

}  // namespace gantry::cli
