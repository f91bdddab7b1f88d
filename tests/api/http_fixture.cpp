#include "tests/api/http_fixture.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gantry::api::http {

Instant SteppedClock::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

WallTime SteppedClock::wall() const {
  std::lock_guard lock(mutex_);
  return wall_;
}

Clock::TimerId SteppedClock::call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) {
  std::lock_guard lock(mutex_);
  timers_.emplace(++last_, Timer{&reactor, when, std::move(fn)});
  return last_;
}

void SteppedClock::cancel(TimerId id) {
  std::lock_guard lock(mutex_);
  timers_.erase(id);
}

void SteppedClock::advance(std::chrono::seconds by) {
  for (; by.count() > 0; --by) {
    std::vector<std::pair<Reactor*, std::vector<std::move_only_function<void()>>>> due;
    {
      std::lock_guard lock(mutex_);
      now_ += std::chrono::seconds(1);
      wall_ += std::chrono::seconds(1);
      for (auto timer = timers_.begin(); timer != timers_.end();) {
        if (timer->second.when > now_) {
          ++timer;
          continue;
        }
        due.emplace_back(timer->second.reactor, std::vector<std::move_only_function<void()>>());
        due.back().second.push_back(std::move(timer->second.fn));
        timer = timers_.erase(timer);
      }
    }
    for (auto& [reactor, timers] : due) {
      for (auto& fn : timers) {
        std::promise<void> ran;
        reactor->post([&fn, &ran] {
          fn();
          ran.set_value();
        });
        ran.get_future().get();
      }
    }
  }
}

void Feed::say(std::string text) {
  reactor_.post([self = shared_from_this(), text = std::move(text)] {
    self->texts_.push_back(text);
    self->changed_.notify_all();
  });
}

void Feed::end() {
  reactor_.post([self = shared_from_this()] {
    self->over_ = true;
    self->changed_.notify_all();
  });
}

bool Feed::closed() {
  std::promise<bool> answer;
  reactor_.post([&] { answer.set_value(closed_); });
  return answer.get_future().get();
}

std::size_t Feed::asked() {
  std::promise<std::size_t> answer;
  reactor_.post([&] { answer.set_value(asked_); });
  return answer.get_future().get();
}

class FeedStream final : public BodyStream {
 public:
  explicit FeedStream(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  Task<std::vector<Piece>> next() override {
    const auto feed = feed_;
    ++feed->asked_;
    while (feed->texts_.empty() && !feed->over_ && !feed->closed_) co_await feed->changed_.wait();
    std::vector<Piece> pieces;
    if (!feed->closed_ && !feed->texts_.empty()) {
      pieces.emplace_back(std::move(feed->texts_.front()));
      feed->texts_.pop_front();
    }
    co_return pieces;
  }
  void close() override {
    feed_->closed_ = true;
    feed_->changed_.notify_all();
  }

 private:
  std::shared_ptr<Feed> feed_;
};

namespace {

struct CountingSink final : BodySink {
  Task<> take(std::string piece) override {
    if (piece.find('z') != std::string::npos) throw Error(ErrorCode::Invalid, "no letter z, please");
    largest = std::max(largest, piece.size());
    bytes += piece.size();
    co_return;
  }
  std::size_t bytes = 0;
  std::size_t largest = 0;
};

}  // namespace

std::shared_ptr<BodySink> TestHandler::sink(const HttpRequest& request) {
  return request.path == "/upload" ? std::make_shared<CountingSink>() : nullptr;
}

Task<HttpResponse> TestHandler::handle(HttpRequest request) {
  ++handled;
  HttpResponse response;
  if (request.sink) {
    const auto& counted = static_cast<const CountingSink&>(*request.sink);
    response.body.emplace_back(std::to_string(counted.bytes));
    response.headers.emplace_back("Held", counted.largest <= 64 << 10 ? "little" : "much");
    co_return response;
  }
  if (request.path == "/stream") {
    response.stream = std::make_unique<FeedStream>(feed);
  } else if (request.path == "/big") {
    const std::string* size = request.parameter("n");
    // In many pieces, as a list is.
    for (std::size_t left = std::stoul(*size); left > 0;) {
      const std::size_t piece = std::min<std::size_t>(left, 1000);
      response.body.emplace_back(std::string(piece, static_cast<char>('a' + left % 26)));
      left -= piece;
    }
  } else if (request.path == "/slow") {
    ++slow_started;
    while (!release) co_await released.wait();
    response.body.emplace_back("done");
  } else if (request.path == "/throw") {
    throw Error(ErrorCode::Conflict, "on purpose");
  } else if (request.path == "/inject") {
    response.headers.emplace_back("Warning", "299 - \"a\r\nSet-Cookie: b\"");
  } else {
    json::Object query;
    for (const auto& [name, value] : request.query) query.set(name, value);
    json::Array segments;
    for (const auto& segment : request.segments) segments.emplace_back(segment);
    json::Object seen{
        {"method", request.method}, {"path", request.path}, {"body", request.body}, {"query", std::move(query)}};
    seen.set("segments", std::move(segments));
    json::Array groups;
    if (request.user) {
      for (const auto& group : request.user->groups) groups.emplace_back(group);
      seen.set("user", request.user->name);
    }
    seen.set("groups", std::move(groups));
    response.body.emplace_back(json::dump(json::Value(std::move(seen))));
  }
  co_return response;
}

RawClient::RawClient(std::uint16_t port, int receive_buffer) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    ADD_FAILURE() << "cannot connect";
}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawClient::send(std::string_view bytes) { EXPECT_TRUE(try_send(bytes)); }

bool RawClient::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::fill() {
  std::array<char, 65536> bytes;
  const auto got = ::recv(fd_, bytes.data(), bytes.size(), 0);
  if (got < 0 && errno == EAGAIN) ADD_FAILURE() << "nothing came for ten seconds";
  if (got <= 0) return false;
  buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  return true;
}

std::string RawClient::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

std::string RawClient::read_to_end() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool RawClient::closed_by_server() { return buffer_.empty() && !fill(); }

std::string RawClient::line() {
  auto end = buffer_.find("\r\n");
  while (end == std::string::npos) {
    if (!fill()) return {};
    end = buffer_.find("\r\n");
  }
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return text;
}

RawResponse RawClient::read_head() {
  RawResponse response;
  const std::string first = line();
  if (first.size() < 12) return response;
  response.status = std::stoi(first.substr(9, 3));
  for (std::string header = line(); !header.empty(); header = line()) {
    const auto colon = header.find(':');
    std::string name = header.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    response.headers[name] = header.substr(colon + 2);
  }
  return response;
}

std::string RawClient::read_chunk() {
  const std::string size = line();
  std::size_t left = size.empty() ? 0 : std::stoul(size, nullptr, 16);
  while (buffer_.size() < left + 2 && fill()) {
  }
  std::string text = buffer_.substr(0, left);
  buffer_.erase(0, left + 2);
  return text;
}

RawResponse RawClient::read(bool head_only) {
  RawResponse response = read_head();
  if (head_only) return response;
  if (response.headers["transfer-encoding"] == "chunked") {
    for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) response.body += chunk;
    return response;
  }
  const std::string length = response.headers["content-length"];
  const std::size_t size = length.empty() ? 0 : std::stoul(length);
  while (buffer_.size() < size && fill()) {
  }
  response.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return response;
}

HttpServerTest::~HttpServerTest() {
  if (!thread.joinable()) return;
  release_slow();
  std::promise<void> done;
  shut_down(std::chrono::seconds(1), done);
  auto finished = done.get_future();
  while (finished.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready)
    clock.advance(std::chrono::seconds(1));
  reactor.stop();
  thread.join();
}

void HttpServerTest::start(Limits limits, std::optional<tls::Context::Server> tls) {
  authenticator.add_token("alice-token", {.name = "alice", .uid = "", .groups = {"ops"}});
  ServerOptions options;
  options.port = 0;
  options.limits = limits;
  options.tls = std::move(tls);
  server = std::make_unique<Server>(reactor, handler, authenticator, options);
  server->listen();
  thread = std::thread([this] { reactor.run(); });
}

void HttpServerTest::eventually(const char* what, const std::function<bool()>& holds) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > give_up) {
      ADD_FAILURE() << "never came true: " << what;
      return;
    }
    std::this_thread::yield();
  }
}

namespace {

Task<> shut_down_and_tell(Server& server, Duration grace, std::promise<void>& done) {
  co_await server.shutdown(grace);
  done.set_value();
}

}  // namespace

void HttpServerTest::shut_down(Duration grace, std::promise<void>& done) {
  reactor.spawn(shut_down_and_tell(*server, grace, done));
}

void HttpServerTest::release_slow() {
  there([this] {
    handler.release = true;
    handler.released.notify_all();
  });
}

}  // namespace gantry::api::http
