#include "controller/base/utf8.hpp"

#include <gmock/gmock.h>

namespace gantry {
namespace {

TEST(Utf8, WhatIsNoCharacterIsReplacedAndTheRestStays) {
  EXPECT_EQ(valid_utf8("plain, \xC3\xA9 and \xF0\x9F\x98\x80"), "plain, \xC3\xA9 and \xF0\x9F\x98\x80");
  EXPECT_EQ(valid_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(valid_utf8("cut \xE2\x82"), "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "half of a pair is none";
  EXPECT_EQ(valid_utf8(""), "");
}

}  // namespace
}  // namespace gantry
