#include "controller/base/error.hpp"

#include <array>

namespace gantry {
namespace {

// Exit codes: docs/cli.md. 3 timed out, 4 refused by a guard, 1 any other error.
constexpr std::array<ErrorTraits, 18> kTraits{{
    {ErrorCode::BadRequest, "BadRequest", 400, false, 1},
    {ErrorCode::Unauthorized, "Unauthorized", 401, false, 1},
    {ErrorCode::Forbidden, "Forbidden", 403, false, 4},
    {ErrorCode::NotFound, "NotFound", 404, false, 1},
    {ErrorCode::MethodNotAllowed, "MethodNotAllowed", 405, false, 1},
    {ErrorCode::NotAcceptable, "NotAcceptable", 406, false, 1},
    {ErrorCode::AlreadyExists, "AlreadyExists", 409, false, 1},
    {ErrorCode::Conflict, "Conflict", 409, true, 1},
    {ErrorCode::Expired, "Expired", 410, true, 1},
    {ErrorCode::TooLarge, "RequestEntityTooLarge", 413, false, 1},
    {ErrorCode::UnsupportedMediaType, "UnsupportedMediaType", 415, false, 1},
    {ErrorCode::Invalid, "Invalid", 422, false, 1},
    {ErrorCode::RateLimited, "TooManyRequests", 429, true, 1},
    {ErrorCode::Internal, "InternalError", 500, true, 1},
    {ErrorCode::Unavailable, "ServiceUnavailable", 503, true, 1},
    {ErrorCode::Timeout, "Timeout", 504, true, 3},
    {ErrorCode::Cancelled, "Cancelled", 503, true, 130},
    {ErrorCode::QuotaExceeded, "QuotaExceeded", 403, false, 4},
}};

}  // namespace

const ErrorTraits& traits(ErrorCode code) { return kTraits[static_cast<std::size_t>(code)]; }

ErrorCode error_code_of_http_status(int status, std::string_view reason) {
  for (const auto& row : kTraits) {
    if (!reason.empty() && row.reason == reason) return row.code;
  }
  for (const auto& row : kTraits) {
    // 409 alone means Conflict; AlreadyExists needs its reason.
    if (row.http_status == status && row.code != ErrorCode::AlreadyExists) return row.code;
  }
  return status >= 500 ? ErrorCode::Unavailable : ErrorCode::BadRequest;
}

Error& Error::while_(std::string_view doing) & {
  message_.insert(0, std::string(doing) + ": ");
  return *this;
}

Error&& Error::while_(std::string_view doing) && { return std::move(while_(doing)); }

}  // namespace gantry
