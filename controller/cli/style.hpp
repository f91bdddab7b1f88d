// Colours, when they are wanted: on a terminal, without NO_COLOR and --no-color.
#pragma once

#include <string>
#include <string_view>

namespace gantry::cli {

class Style {
 public:
  explicit Style(bool on = false) : on_(on) {}
  bool on() const { return on_; }

  std::string bold(std::string_view text) const { return wrap("1", text); }
  std::string dim(std::string_view text) const { return wrap("2", text); }
  std::string red(std::string_view text) const { return wrap("31", text); }
  std::string green(std::string_view text) const { return wrap("32", text); }
  std::string yellow(std::string_view text) const { return wrap("33", text); }
  std::string cyan(std::string_view text) const { return wrap("36", text); }

  // The word that a status is: True green, False and Failed red, Unknown and Warning yellow; others as they are.
  std::string status(std::string_view word) const;

 private:
  std::string wrap(std::string_view code, std::string_view text) const;
  bool on_;
};

}  // namespace gantry::cli
