#include "controller/base/cpprest_transport.hpp"

#include "controller/base/cpprest_call.hpp"
#include "controller/base/error.hpp"

namespace gantry::http {
namespace {

// Without the query, which may hold a key.
std::string place_of(const std::string& url) { return url.substr(0, url.find('?')); }

Response to_response(cpprest::Answer answer, const std::string& place) {
  using Outcome = cpprest::Answer::Outcome;
  switch (answer.outcome) {
    case Outcome::Answered:
      break;
    case Outcome::Unreachable:
      throw Error(ErrorCode::Unavailable, place + ": no answer: " + answer.why);
    case Outcome::TimedOut:
      throw Error(ErrorCode::Timeout, place + ": no answer in time: " + answer.why);
    case Outcome::TooLarge:
      throw Error(ErrorCode::TooLarge, place + ": " + answer.why);
    case Outcome::Invalid:
      throw Error(ErrorCode::Invalid, place + ": " + answer.why);
  }
  return {.status = answer.status, .headers = std::move(answer.headers), .body = std::move(answer.body)};
}

}  // namespace

Task<Response> CpprestTransport::send(Request request) {
  const std::string place = place_of(request.url);
  const Instant deadline = reactor_.now() + request.timeout;
  cpprest::Call call{.method = std::move(request.method),
                     .url = std::move(request.url),
                     .headers = std::move(request.headers),
                     .body = std::move(request.body),
                     .timeout = std::chrono::ceil<std::chrono::milliseconds>(request.timeout),
                     .body_max = request.body_max};
  Clock::TimerId timer = 0;
  std::optional<Error> failure;
  cpprest::Answer answer;
  try {
    answer = co_await from_callback<cpprest::Answer>(reactor_, [&](Done<cpprest::Answer> done) {
      auto give_up = cpprest::start(std::move(call), [done](cpprest::Answer got) { done(std::move(got)); });
      // cpprestsdk's own timeout starts anew with each byte.
      timer = reactor_.clock().call_at(reactor_, deadline, [done, give_up = std::move(give_up)] {
        give_up();
        done({.outcome = cpprest::Answer::Outcome::TimedOut, .why = "the time given for it is over"});
      });
    });
  } catch (const Error& error) {  // tidy: the timer goes first
    failure = error;
  }
  reactor_.clock().cancel(timer);
  if (failure) throw *failure;
  co_return to_response(std::move(answer), place);
}

}  // namespace gantry::http
