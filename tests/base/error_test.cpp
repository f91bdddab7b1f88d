#include "controller/base/error.hpp"

#include <gtest/gtest.h>

namespace gantry {
namespace {

TEST(Errors, SayWhatWasBeingDone) {
  const Error error = Error(ErrorCode::Unavailable, "connection refused").while_("listing droplets");
  EXPECT_EQ(error.message(), "listing droplets: connection refused");
  EXPECT_STREQ(error.what(), "listing droplets: connection refused");
  EXPECT_TRUE(error.retryable());
}

TEST(Errors, HaveOneRowEachInTheTable) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::QuotaExceeded); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const auto& row = traits(code);
    EXPECT_EQ(row.code, code) << "the rows stand in the order of the enum";
    EXPECT_FALSE(row.reason.empty());
    EXPECT_GE(row.http_status, 400);
    EXPECT_NE(row.exit_code, 0);
    EXPECT_EQ(error_code_of_http_status(row.http_status, row.reason), code) << row.reason;
  }
}

TEST(Errors, AreRecognizedByTheirStatusAlone) {
  EXPECT_EQ(error_code_of_http_status(409), ErrorCode::Conflict);
  EXPECT_EQ(error_code_of_http_status(404), ErrorCode::NotFound);
  EXPECT_EQ(error_code_of_http_status(429), ErrorCode::RateLimited);
  EXPECT_EQ(error_code_of_http_status(502), ErrorCode::Unavailable);
  EXPECT_EQ(error_code_of_http_status(418), ErrorCode::BadRequest);
}

}  // namespace
}  // namespace gantry
