// Requests as bytes: whatever comes, it is a request or a refusal, within its limits, and the same however it is split.
#include "controller/api/http/request_reader.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using gantry::api::http::Limits;
using gantry::api::http::RequestReader;
using State = RequestReader::State;

struct Outcome {
  State state = State::Head;
  std::string method, path, body;
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view bytes, std::size_t step, const Limits& limits) {
  RequestReader reader(limits);
  std::string input;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    input.append(bytes.substr(at, step));
    const std::size_t used = reader.feed(input);
    if (used > input.size()) __builtin_trap();
    input.erase(0, used);
    if (reader.state() == State::Done || reader.state() == State::Refused) break;
    if (input.size() > limits.head_bytes + 8192 + step) __builtin_trap();  // it must not be made to hold more
  }
  if (reader.state() == State::Refused) return {.state = State::Refused, .method = {}, .path = {}, .body = {}};
  if (reader.state() != State::Done) return {.state = State::Head, .method = {}, .path = {}, .body = {}};
  const auto& request = reader.request();
  if (request.body.size() > limits.body_bytes || request.headers.size() > limits.headers) __builtin_trap();
  if (!request.path.starts_with('/') || request.path.find("/../") != std::string::npos) __builtin_trap();
  for (const auto& segment : request.segments) {
    if (segment.empty() || segment == ".." || segment.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
      __builtin_trap();
  }
  return {.state = State::Done, .method = request.method, .path = request.path, .body = request.body};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Limits limits;
  limits.head_bytes = 2048;
  limits.body_bytes = 4096;
  const Outcome whole = read(bytes, size + 1, limits);
  const Outcome split = read(bytes, 1, limits);
  // Which of two faults is seen first may depend on the split; whether it is a request, and which, may not.
  if ((whole.state == State::Done) != (split.state == State::Done)) __builtin_trap();
  if (whole.state == State::Done && !(whole == split)) __builtin_trap();
  return 0;
}
