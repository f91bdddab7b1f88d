#include "providers/local/docker_engine.hpp"

#include <charconv>

namespace gantry::providers::local {
namespace {

constexpr std::string_view kNewest = "1.44";  // what this code was written against; everything it uses is in 1.40 too

// "1.9" before "1.41".
int minor_of(std::string_view version) {
  int minor = 0;
  if (version.starts_with("1.")) std::from_chars(version.data() + 2, version.data() + version.size(), minor);
  return minor;
}

std::string message_in(std::string_view body) {
  try {
    return json::parse(body).string_or("message", body.substr(0, 500));
  } catch (const Error&) {  // not every answer is JSON: a proxy's page, say
    return std::string(body.substr(0, 500));
  }
}

}  // namespace

DockerEngine::DockerEngine(Reactor& reactor, std::string socket_path)
    : reactor_(reactor), endpoint_{.kind = http::Endpoint::Kind::Unix, .host = std::move(socket_path)} {}

void DockerEngine::close() {
  closed_ = true;
  for (const auto& each : std::exchange(open_, {})) {
    if (const auto connection = each.lock()) connection->close();
  }
}

Task<std::shared_ptr<http::Connection>> DockerEngine::connect(Duration timeout) {
  if (closed_) throw Error(ErrorCode::Cancelled, "shutting down");
  auto connection = co_await http::Connection::open(reactor_, endpoint_, nullptr, reactor_.now() + timeout);
  std::erase_if(open_, [](const auto& each) { return each.expired(); });
  open_.push_back(connection);
  co_return connection;
}

Task<http::Response> DockerEngine::send(http::Request question) {
  const auto connection = co_await connect(question.timeout);
  co_return co_await connection->exchange(std::move(question));
}

Error DockerEngine::unreachable(std::string_view doing, const Error& cause) const {
  const bool timeout = cause.code() == ErrorCode::Timeout;
  return Error(timeout                                ? ErrorCode::Timeout
               : cause.code() == ErrorCode::Cancelled ? ErrorCode::Cancelled
                                                      : ErrorCode::Unavailable,
               std::string(doing) + ": Docker " + (timeout ? "did not answer in time" : "does not answer") +
                   " at unix://" + socket_path() + " (" + cause.message() + "); is it installed and running?");
}

void DockerEngine::refuse(std::string_view doing, int status, std::string_view body) const {
  const std::string message = message_in(body);
  ErrorCode code = ErrorCode::Internal;
  if (status == 400) code = ErrorCode::Invalid;
  if (status == 404) code = ErrorCode::NotFound;
  if (status == 409) code = ErrorCode::Conflict;
  if (status == 503) code = ErrorCode::Unavailable;
  throw Error(code, std::string(doing) + ": Docker answered " + std::to_string(status) + ": " + message);
}

Task<> DockerEngine::agree_on_version() {
  const http::Response answer = co_await send({.url = "/version"});
  if (answer.status != 200)
    throw Error(ErrorCode::Unavailable, "it answered " + std::to_string(answer.status) + " when asked for its version");
  const json::Value version = json::parse(answer.body);
  const std::string theirs = version.string_or("ApiVersion");
  const std::string oldest = version.string_or("MinAPIVersion", "1.12");
  if (minor_of(theirs) < 40) {
    throw Error(ErrorCode::Unavailable,
                "its API version " + theirs + " is too old; Docker 19.03 (1.40) or newer is needed");
  }
  version_ = minor_of(theirs) < minor_of(kNewest) ? theirs : std::string(kNewest);
  if (minor_of(version_) < minor_of(oldest)) version_ = oldest;
}

Task<http::Request> DockerEngine::request(std::string method, std::string path) {
  if (version_.empty()) co_await agree_on_version();
  co_return http::Request{.method = std::move(method), .url = "/v" + version_ + path};
}

Task<std::string> DockerEngine::text(std::string_view doing, std::string method, std::string path, Duration timeout,
                                     std::string content_type, std::string body) {
  const std::string what(doing);
  http::Response answer;
  std::optional<Error> failure;
  try {
    http::Request question = co_await request(std::move(method), std::move(path));
    question.timeout = timeout;
    question.body = std::move(body);
    if (!content_type.empty()) question.headers.emplace_back("Content-Type", std::move(content_type));
    answer = co_await send(std::move(question));
  } catch (const Error& error) {
    failure = unreachable(what, error);
  }
  if (failure) {
    version_.clear();  // whoever answers next may be another version
    throw *failure;
  }
  if (answer.status >= 400) refuse(what, answer.status, answer.body);
  co_return std::move(answer.body);
}

Task<json::Value> DockerEngine::call(std::string_view doing, std::string method, std::string path, json::Value body,
                                     Duration timeout) {
  std::string sent = body.is_null() ? "" : json::dump(body);
  const std::string type = sent.empty() ? "" : "application/json";
  const std::string answer = co_await text(doing, std::move(method), std::move(path), timeout, type, std::move(sent));
  co_return answer.empty() ? json::Value() : json::parse(answer);
}

Task<std::unique_ptr<http::ResponseStream>> DockerEngine::stream(std::string_view doing, std::string path) {
  co_return co_await open_stream(std::string(doing), {.method = "GET", .url = std::move(path)});
}

Task<std::unique_ptr<http::ResponseStream>> DockerEngine::send_stream(std::string_view doing, std::string path,
                                                                      std::string content_type,
                                                                      std::function<Task<std::string>()> more,
                                                                      Duration timeout) {
  http::Request question{.method = "POST", .url = std::move(path)};
  question.headers.emplace_back("Content-Type", std::move(content_type));
  question.timeout = timeout;
  question.more = std::move(more);
  co_return co_await open_stream(std::string(doing), std::move(question));
}

Task<std::unique_ptr<http::ResponseStream>> DockerEngine::open_stream(std::string what, http::Request question) {
  std::unique_ptr<http::ResponseStream> opened;
  std::optional<Error> failure;
  try {
    if (version_.empty()) co_await agree_on_version();
    question.url = "/v" + version_ + question.url;
    auto connection = co_await connect(question.timeout);
    http::Head head = co_await connection->begin(std::move(question));
    opened = std::make_unique<http::ResponseStream>(std::move(connection), std::move(head));
  } catch (const Error& error) {
    // What is ours to send may be what failed: a file that changed while it was read.
    failure = error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Timeout ||
                      error.code() == ErrorCode::Cancelled
                  ? unreachable(what, error)
                  : error;
  }
  if (failure) {
    version_.clear();
    throw *failure;
  }
  if (opened->status() >= 400) refuse(what, opened->status(), co_await opened->rest(4096));
  co_return opened;
}

}  // namespace gantry::providers::local
