// Text that prints as stars. reveal() is the only way to the value, and easy to search for.
#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace gantry {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "***"; }

 private:
  std::string value_;
};

// Time does not depend on where a and b differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace gantry
