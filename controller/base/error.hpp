// The one error type. Thrown, it ends an attempt or a request; ordinary outcomes are values instead.
// Caught in three places only: the controller loop, the HTTP routes, each main.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry {

enum class ErrorCode {
  BadRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  MethodNotAllowed,
  NotAcceptable,
  AlreadyExists,
  Conflict,
  Expired,
  TooLarge,
  UnsupportedMediaType,
  Invalid,
  RateLimited,
  Internal,
  Unavailable,
  Timeout,
  Cancelled,
  QuotaExceeded,  // an account's own limit, or one that was set for it
};

// What one code means everywhere: HTTP status, Kubernetes reason, whether trying again may help, the
// command line's exit code. The table is in error.cpp and is the only one.
struct ErrorTraits {
  ErrorCode code;
  std::string_view reason;  // Kubernetes StatusReason, also condition reason and metric label
  int http_status;
  bool retryable;  // false: only a change of the object, or of the world, can help
  int exit_code;
};
const ErrorTraits& traits(ErrorCode code);
ErrorCode error_code_of_http_status(int status, std::string_view reason = {});

// One violation in user input, as Kubernetes words them (metav1.StatusCause).
struct FieldError {
  std::string reason;   // FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, ...
  std::string field;    // path: spec.ports[0].port
  std::string message;  // without the path: Invalid value: 500: should be less than or equal to 100
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }
  bool retryable() const { return traits(code_).retryable; }

  // Puts what was being attempted in front: "listing droplets: connection refused".
  Error& while_(std::string_view doing) &;
  Error&& while_(std::string_view doing) &&;

  // What the message is about; fills Status.details.
  struct About {
    std::string group;
    std::string kind;  // the plural resource; the Kind for Invalid
    std::string name;
    std::string uid;
  };
  std::optional<About> about;
  std::vector<FieldError> causes;
  std::optional<std::chrono::milliseconds> retry_after;
  // For Expired list tokens: a token that continues, inconsistently, from the newest data.
  std::string continue_token;

 private:
  ErrorCode code_;
  std::string message_;
};

}  // namespace gantry
