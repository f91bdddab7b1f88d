#include "controller/cli/style.hpp"

namespace gantry::cli {

std::string Style::status(std::string_view word) const {
  if (!on_) return std::string(word);
  if (word == "True" || word == "Active") return green(word);
  if (word == "False" || word == "Failed" || word == "ALARM") return red(word);
  if (word == "Unknown" || word == "Warning" || word == "Terminating") return yellow(word);
  return std::string(word);
}

std::string Style::wrap(std::string_view code, std::string_view text) const {
  if (!on_ || text.empty()) return std::string(text);
  std::string wrapped = "\x1b[";
  wrapped.append(code).append("m").append(text).append("\x1b[0m");
  return wrapped;
}

}  // namespace gantry::cli
