#include "controller/base/cpprest_call.hpp"

// pplx/threadpool.h speaks of io_service, which is io_context under its old name.
#undef BOOST_ASIO_NO_DEPRECATED

#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <pplx/threadpool.h>

#include <memory>
#include <optional>

namespace gantry::http::cpprest {

namespace {

using web::http::http_response;

// Two threads carry all of cpprestsdk's I/O; it would start forty. Under ThreadSanitizer it is one: an exception's
// count is kept inside libstdc++, unseen, so an exception handed from one thread of the library to the other looks like
// a race with whoever reads it here. The price is that races between those two threads are not looked for.
#if __has_feature(thread_sanitizer)
constexpr std::size_t kThreads = 1;
#else
constexpr std::size_t kThreads = 2;
#endif

void start_threads_once() {
  static const bool started = [] {
    crossplat::threadpool::initialize_with_threads(kThreads);
    return true;
  }();
  (void)started;
}

struct Exchange {
  Call call;
  std::function<void(Answer)> done;
  std::unique_ptr<web::http::client::http_client> client;
  Answer answer;
  std::vector<unsigned char> buffer = std::vector<unsigned char>(64 << 10);
  pplx::cancellation_token_source give_up;

  void finish(Answer::Outcome outcome, std::string why) {
    answer.outcome = outcome;
    answer.why = std::move(why);
    done(std::move(answer));
  }
};
using ExchangePtr = std::shared_ptr<Exchange>;

web::http::http_request to_request(const Call& call, const web::uri& uri) {
  web::http::http_request request(call.method);
  request.set_request_uri(uri.resource());
  for (const auto& [name, value] : call.headers) request.headers().add(name, value);
  if (!call.body.empty() || (call.method != "GET" && call.method != "HEAD" && call.method != "DELETE")) {
    const auto type = request.headers().find("Content-Type");
    const std::string content_type = type == request.headers().end() ? "application/json" : type->second;
    request.set_body(call.body, content_type);
  }
  return request;
}

// Piece by piece, so that a body without an end meets its limit.
pplx::task<void> read_body(const ExchangePtr& exchange, concurrency::streams::istream body) {
  auto into = concurrency::streams::rawptr_buffer<unsigned char>(exchange->buffer.data(), exchange->buffer.size(),
                                                                 std::ios::out);
  return body.read(into, exchange->buffer.size()).then([exchange, body](std::size_t got) -> pplx::task<void> {
    if (got == 0) return pplx::task_from_result();
    if (exchange->answer.body.size() + got > exchange->call.body_max) {
      exchange->answer.outcome = Answer::Outcome::TooLarge;
      return pplx::task_from_result();
    }
    exchange->answer.body.append(reinterpret_cast<const char*>(exchange->buffer.data()), got);
    return read_body(exchange, body);
  });
}

// Empty when the answer is no redirect that may be followed.
std::optional<web::uri> redirect_of(const Call& call, const web::uri& from, const http_response& response) {
  const auto code = response.status_code();
  if (code != 301 && code != 302 && code != 307 && code != 308) return std::nullopt;
  if (call.method != "GET" && call.method != "HEAD") return std::nullopt;
  const auto location = response.headers().find("Location");
  if (location == response.headers().end() || !web::uri::validate(location->second)) return std::nullopt;
  web::uri to(location->second);
  if (to.host().empty()) to = from.resolve_uri(to.to_string());
  const bool same_place = to.scheme() == from.scheme() && to.host() == from.host() && to.port() == from.port();
  return same_place ? std::optional(to) : std::nullopt;
}

pplx::task<http_response> ask(const ExchangePtr& exchange, web::uri uri, int redirects_left) {
  return exchange->client->request(to_request(exchange->call, uri), exchange->give_up.get_token())
      .then([exchange, uri, redirects_left](http_response response) -> pplx::task<http_response> {
        const auto to = redirects_left > 0 ? redirect_of(exchange->call, uri, response) : std::nullopt;
        return to ? ask(exchange, *to, redirects_left - 1) : pplx::task_from_result(response);
      });
}

void report_failure(const ExchangePtr& exchange, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const web::http::http_exception& error) {  // tidy: another library's errors become ours here
    const auto& code = error.error_code();
    const bool slow = code == std::errc::timed_out || code == std::errc::operation_canceled;
    exchange->finish(slow ? Answer::Outcome::TimedOut : Answer::Outcome::Unreachable, error.what());
  } catch (const std::exception& error) {  // tidy: as above
    exchange->finish(Answer::Outcome::Unreachable, error.what());
  }
}

void run(const ExchangePtr& exchange) {
  const web::uri uri(exchange->call.url);
  web::http::client::http_client_config config;
  config.set_timeout(exchange->call.timeout);
  config.set_max_redirects(0);
  exchange->client = std::make_unique<web::http::client::http_client>(uri.authority(), config);
  ask(exchange, uri, 5)
      .then([exchange](http_response response) {
        exchange->answer.status = response.status_code();
        for (const auto& [name, value] : response.headers()) exchange->answer.headers.emplace_back(name, value);
        return read_body(exchange, response.body());
      })
      .then([exchange](pplx::task<void> end) {
        try {
          end.get();
        } catch (...) {  // tidy: as above
          report_failure(exchange, std::current_exception());
          return;
        }
        if (exchange->answer.outcome == Answer::Outcome::Answered)
          exchange->finish(Answer::Outcome::Answered, {});
        else
          exchange->finish(exchange->answer.outcome, "the body is too large");
      });
}

// On the library's thread.
void run_or_say_why(const ExchangePtr& exchange) {
  try {
    run(exchange);
  } catch (const std::exception& error) {  // tidy: as above
    exchange->finish(Answer::Outcome::Invalid, error.what());
  }
}

}  // namespace

std::function<void()> start(Call call, std::function<void(Answer)> done) {
  start_threads_once();
  auto exchange = std::make_shared<Exchange>();
  exchange->call = std::move(call);
  exchange->done = std::move(done);
  std::function<void()> give_up = [token = exchange->give_up] { token.cancel(); };
  // Begun on the library's own thread: what it makes there, it lets go of there, and the reactor does not parse and
  // connect meanwhile.
  pplx::get_ambient_scheduler()->schedule(
      [](void* given) { run_or_say_why(*std::unique_ptr<ExchangePtr>(static_cast<ExchangePtr*>(given))); },
      std::make_unique<ExchangePtr>(std::move(exchange)).release());
  return give_up;
}

}  // namespace gantry::http::cpprest
