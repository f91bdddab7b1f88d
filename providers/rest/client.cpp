#include "providers/rest/client.hpp"

#include <charconv>

#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"

namespace gantry::providers::rest {
namespace {

constexpr std::size_t kRecords = 200;
constexpr std::size_t kRecordsAbout = 2000;
constexpr int kTries = 3;
// A worker does not wait for a cloud longer than that; the object's next attempt does.
constexpr Duration kPatience = std::chrono::seconds(5);
constexpr std::size_t kMessageMax = 500;

const log::Logger& logger() {
  static const log::Logger one("provider");
  return one;
}

std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || text.empty()) return std::nullopt;
  return number;
}

bool is_this_machine(std::string_view endpoint) {
  const auto host = endpoint.substr(std::string_view("http://").size());
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    if (host.starts_with(name) && (host.size() == name.size() || host[name.size()] == ':' || host[name.size()] == '/'))
      return true;
  }
  return false;
}

// What people see: no secret, no page of HTML, one line.
std::string presentable(std::string_view text) {
  std::string line = log::redacted(text.substr(0, kMessageMax));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return line;
}

ErrorCode meaning_of(int status) {
  switch (status) {
    case 400:
    case 405:
    case 415:
    case 422:
      return ErrorCode::Invalid;
    case 401:
      return ErrorCode::Unauthorized;
    case 403:
      return ErrorCode::Forbidden;
    case 404:
      return ErrorCode::NotFound;
    case 408:
    case 504:
      return ErrorCode::Timeout;
    case 409:
    case 423:
      return ErrorCode::Conflict;
    case 413:
      return ErrorCode::TooLarge;
    case 429:
      return ErrorCode::RateLimited;
    default:
      return status >= 500 ? ErrorCode::Unavailable : ErrorCode::Internal;
  }
}

bool worth_another_try(const Error& error) {
  return error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Timeout;
}

}  // namespace

Client::Client(const ProviderParts& parts, Vendor vendor, std::string account, std::string endpoint, Secret token)
    : parts_(parts),
      vendor_(std::move(vendor)),
      account_(std::move(account)),
      endpoint_(endpoint.empty() ? vendor_.endpoint : std::move(endpoint)),
      token_(std::move(token)),
      throttle_(parts.reactor, vendor_.allowance) {
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
  const bool plain = endpoint_.starts_with("http://");
  if (!plain && !endpoint_.starts_with("https://"))
    throw Error(ErrorCode::Invalid, "spec.endpoint: \"" + endpoint_ + "\" should begin with https://");
  if (plain && !is_this_machine(endpoint_))
    throw Error(ErrorCode::Invalid, "spec.endpoint: \"" + endpoint_ +
                                        "\" would carry the token in clear text over the network; use https://");
  log::redact(token_.reveal());
}

Task<json::Value> Client::ask(Ask ask) {
  Duration pause = std::chrono::milliseconds(500);
  for (int tries = 1;; ++tries) {
    std::optional<Error> failure;
    try {
      co_return co_await once(ask);
    } catch (const Error& error) {  // tidy: what changes nothing is tried again, everything else goes on
      if (ask.method != "GET" || !ask.again || tries == kTries || !worth_another_try(error)) throw;
      failure = error;
    }
    co_await sleep_for(parts_.reactor, pause + std::chrono::milliseconds(parts_.random.below(250)));
    pause *= 3;
  }
}

Task<json::Value> Client::once(const Ask& ask) {
  const std::string operation = ask.method + " " + ask.operation;
  try {
    co_await throttle_.enter(kPatience);
  } catch (Error& error) {  // tidy: with what was to be asked
    throw error.while_(vendor_.name + " " + operation);
  }
  ++made_;
  http::Request request{.method = ask.method, .url = endpoint_ + ask.path, .headers = {}, .body = {}, .more = {}};
  request.timeout = ask.timeout;
  request.headers = {
      {"Authorization", "Bearer " + token_.reveal()}, {"Accept", "application/json"}, {"User-Agent", "gantry"}};
  if (!ask.body.is_null()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = json::dump(ask.body);
  }
  CallRecord record{.at = parts_.reactor.clock().wall(), .operation = operation, .about = ask.about};
  const Instant begun = parts_.reactor.now();
  std::optional<Error> failure;
  std::optional<http::Response> response;
  try {
    response = co_await parts_.transport.send(std::move(request));
  } catch (const Error& error) {  // tidy: recorded before it goes on
    failure = error;
    failure->while_(vendor_.name + " " + operation);
  }
  record.elapsed = parts_.reactor.now() - begun;
  throttle_.left(response ? limit_of(*response) : std::nullopt);
  json::Value said;
  if (response) {
    try {
      said = accept(ask, *response, record);
    } catch (const Error& error) {  // tidy: as above
      failure = error;
    }
  }
  if (failure) record.problem = presentable(failure->message());
  keep(std::move(record));
  if (failure) throw *failure;
  co_return said;
}

std::optional<RateLimit> Client::limit_of(const http::Response& response) const {
  const auto limit = number_of(response.header(vendor_.limit));
  const auto remaining = number_of(response.header(vendor_.remaining));
  const auto reset = number_of(response.header(vendor_.reset));
  if (!limit || !remaining || !reset || *limit <= 0 || *remaining < 0) return std::nullopt;
  // Nobody's limit is further away than a day: what says so is wrong, and would stop us for good.
  const WallTime now = parts_.reactor.clock().wall();
  const WallTime at =
      std::min<WallTime>(WallTime(std::chrono::seconds(std::clamp<std::int64_t>(*reset, 0, INT32_MAX * 2LL))),
                         now + std::chrono::hours(24));
  return RateLimit{*limit, *remaining, at};
}

json::Value Client::accept(const Ask& ask, const http::Response& response, CallRecord& record) {
  record.status = response.status;
  record.request_id = presentable(response.header(vendor_.request_id));
  if (response.status < 200 || response.status > 299) throw refusal_of(ask, response, record);
  if (response.body.empty()) return {};
  try {
    return json::parse(response.body);
  } catch (const Error& error) {  // tidy: with whose answer it was
    throw Error(ErrorCode::Unavailable, vendor_.name + " " + record.operation + ": " + std::to_string(response.status) +
                                            " with a body that is no JSON: " + presentable(error.message()));
  }
}

Error Client::refusal_of(const Ask& ask, const http::Response& response, CallRecord& record) {
  json::Value said;
  try {
    if (!response.body.empty()) said = json::parse(response.body);
  } catch (const Error&) {  // tidy: a proxy's page; the status says enough
  }
  const Refusal refusal = vendor_.read_refusal(response.status, said);
  const ErrorCode code = refusal.meaning.value_or(meaning_of(response.status));
  std::string text = vendor_.name + " " + record.operation;
  if (!ask.about.empty()) text += " (" + ask.about + ")";
  text += ": " + std::to_string(response.status);
  if (!refusal.code.empty()) text += " " + refusal.code;
  if (!refusal.message.empty()) text += ": " + refusal.message;
  if (!record.request_id.empty()) text += " (request " + record.request_id + ")";
  Error error(code, presentable(text));
  std::optional<Duration> wait = refusal.retry_after;
  if (const auto seconds = number_of(response.header("Retry-After")))
    wait = std::chrono::seconds(std::clamp<std::int64_t>(*seconds, 1, 3600));
  if (code == ErrorCode::RateLimited) {
    if (!wait) wait = std::chrono::seconds(10);
    throttle_.refused(*wait);
  }
  if (wait) error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*wait);
  return error;
}

void Client::keep(CallRecord record) {
  const std::string code = record.status == 0 ? "none" : std::to_string(record.status);
  metrics::counter("gantry_provider_requests_total", "Calls to providers by operation and status; none: no answer.",
                   {{"provider", vendor_.name}, {"operation", record.operation}, {"code", code}})
      .add();
  metrics::histogram("gantry_provider_request_duration_seconds", "Time that providers take to answer.",
                     metrics::request_buckets(), {{"provider", vendor_.name}, {"operation", record.operation}})
      .observe(std::chrono::duration<double>(record.elapsed).count());
  if (const auto limit = throttle_.state())
    metrics::gauge("gantry_provider_rate_limit_remaining", "Calls that an account may still make.",
                   {{"provider", account_}})
        .set(static_cast<double>(limit->remaining));
  if (!record.problem.empty())
    logger().debug("call failed", {{"provider", account_},
                                   {"operation", record.operation},
                                   {"about", record.about},
                                   {"status", record.status},
                                   {"problem", record.problem}});
  if (!record.about.empty()) {
    about_.push_front(record);
    if (about_.size() > kRecordsAbout) about_.pop_back();
  }
  records_.push_front(std::move(record));
  if (records_.size() > kRecords) records_.pop_back();
}

std::vector<CallRecord> Client::calls_about(const std::vector<std::string>& things, std::size_t most) const {
  std::vector<CallRecord> some;
  for (const auto& record : about_) {
    const bool meant = std::find(things.begin(), things.end(), record.about) != things.end();
    if (meant && some.size() < most) some.push_back(record);
  }
  return some;
}

std::vector<CallRecord> Client::calls(std::size_t most) const {
  return {records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(std::min(most, records_.size()))};
}

}  // namespace gantry::providers::rest
