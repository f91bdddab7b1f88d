// R"({"a": 1})"_json reads as what it is.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::json {
// So that a failed expectation shows JSON.
inline void PrintTo(const Value& value, std::ostream* out) { *out << dump(value); }
}  // namespace gantry::json

namespace gantry::object {

inline json::Value operator""_json(const char* text, std::size_t size) { return json::parse({text, size}); }

// "field: message" for each violation, as kubectl lists them.
inline std::vector<std::string> lines_of(const std::vector<FieldError>& errors) {
  std::vector<std::string> lines;
  for (const auto& error : errors) lines.push_back(error.field + ": " + error.message);
  return lines;
}

// The message of the Error that fn throws; a failure of the test when it throws none.
template <class F>
Error error_of(const F& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error(ErrorCode::Internal, "none");
}

}  // namespace gantry::object
