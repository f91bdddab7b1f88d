// Amounts of money, for people: "3.49 EUR".
#pragma once

#include <string>
#include <string_view>

#include "providers/provider.hpp"

namespace gantry::providers {

// "20 EUR", "3.49 EUR". Throws Error(Invalid).
Money parse_money(std::string_view text);
// A decimal as vendors write it ("0.0056", 4.49), to the millionth; what is finer is rounded. Throws Error(Invalid).
Money money_of(std::string_view decimal, std::string_view currency);
// With two digits, rounded up: a sum shown is never less than what is paid.
std::string to_string(const Money& money);
// Throws Error(Invalid) when the currencies differ; an amount without one fits any.
Money operator+(const Money& a, const Money& b);

}  // namespace gantry::providers
