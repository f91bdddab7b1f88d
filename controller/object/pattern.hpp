// A regular expression in RE2's syntax (what Kubernetes schemas are written in), compiled once: linear time, whatever
// the input. Safe to share between threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace gantry::object {

class Pattern {
 public:
  // Throws Error(Invalid) with the reason when text is no regular expression.
  explicit Pattern(std::string text);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // Matches anywhere in value, unless the expression is anchored.
  bool found_in(std::string_view value) const;
  const std::string& text() const { return text_; }

 private:
  struct Compiled;
  std::string text_;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace gantry::object
