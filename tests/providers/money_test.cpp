#include "providers/money.hpp"

#include <gtest/gtest.h>

namespace gantry::providers {
namespace {

TEST(Money, IsReadAsVendorsAndPeopleWriteIt) {
  EXPECT_EQ(parse_money("20 EUR"), (Money{20'000'000, "EUR"}));
  EXPECT_EQ(parse_money("3.49 USD"), (Money{3'490'000, "USD"}));
  EXPECT_EQ(money_of("0.0056000000", "EUR").micros, 5'600);
  EXPECT_EQ(money_of("0.00000051", "EUR").micros, 1);
  for (const char* bad : {"", "20", "EUR", "20 eur", "-1 EUR", "1. EUR", ".5 EUR", "1e3 EUR", "20 EURO", "20  EUR",
                          "9999999999999 EUR"}) {
    EXPECT_THROW(parse_money(bad), Error) << bad;
  }
}

TEST(Money, IsShownRoundedUpSoThatNoSumLooksSmallerThanItIs) {
  EXPECT_EQ(to_string(parse_money("3.49 EUR")), "3.49 EUR");
  EXPECT_EQ(to_string(money_of("0.0056", "EUR")), "0.01 EUR");
  EXPECT_EQ(to_string(Money{0, "EUR"}), "0.00 EUR");
}

TEST(Money, AddsUpInOneCurrencyOnly) {
  EXPECT_EQ(parse_money("1.50 EUR") + parse_money("2.60 EUR"), parse_money("4.10 EUR"));
  EXPECT_EQ(Money{} + parse_money("1 USD"), parse_money("1 USD"));
  EXPECT_THROW(parse_money("1 EUR") + parse_money("1 USD"), Error);
}

}  // namespace
}  // namespace gantry::providers
