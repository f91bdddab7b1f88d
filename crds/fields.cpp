#include "crds/fields.hpp"

#include "controller/object/quantity.hpp"

namespace gantry::crds {
namespace detail {

void read(const json::Value& from, IntOrString& to) {
  to.is_int = from.is_int();
  if (from.is_int()) to.number = from.as_int();
  if (from.is_string()) to.text = from.as_string();
}

void read(const json::Value& from, Quantity& to) {
  if (from.is_string()) to.text = from.as_string();
  if (from.is_number()) to.text = json::dump(from);
}

}  // namespace detail

std::int64_t Quantity::milli() const { return object::parse_milli(text); }
std::int64_t Quantity::whole() const { return object::parse_units(text); }

}  // namespace gantry::crds
