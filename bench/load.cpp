// gantry_load: a closed-loop HTTP(S) load generator. One thread, epoll, keep-alive; each connection sends its next
// request when it has read the answer to the last. Watchers, if any, count events meanwhile. Prints one JSON object.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kHelp = R"(gantry_load --url URL [options]
  --connections N   clients in the closed loop (100)
  --seconds S       how long to measure (5); or
  --requests N      until so many answers
  --warmup S        seconds before that, not counted (0)
  --method M        GET
  --body FILE       the request body; {name} becomes a name used once, {n} its number. Also in the URL.
  --prefix P        of those names (load)
  --content-type T  application/json
  --accept T        application/json
  --token T         bearer token
  --header "N: V"   any number of times
  --watchers N      watch connections (0)
  --watch-url PATH  what they watch, with ?watch=true...
)";

struct Options {
  std::string host, port, target;
  bool tls = false;
  std::size_t connections = 100;
  double seconds = 5;
  double warmup = 0;
  std::uint64_t requests = 0;
  std::string method = "GET", body, prefix = "load", content_type = "application/json", accept = "application/json",
              headers;
  std::size_t watchers = 0;
  std::string watch_target;
};

[[noreturn]] void die(const std::string& why) {
  std::cerr << "gantry_load: " << why << "\n";
  std::exit(2);
}

void read_url(std::string url, Options& options) {
  options.tls = url.starts_with("https://");
  if (!options.tls && !url.starts_with("http://")) die("--url must begin with http:// or https://");
  url.erase(0, options.tls ? 8 : 7);
  const auto slash = url.find('/');
  options.target = slash == std::string::npos ? "/" : url.substr(slash);
  const std::string authority = url.substr(0, slash);
  const auto colon = authority.rfind(':');
  options.host = authority.substr(0, colon);
  options.port = colon == std::string::npos ? (options.tls ? "443" : "80") : authority.substr(colon + 1);
  if (options.host.starts_with('[')) options.host = options.host.substr(1, options.host.size() - 2);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) die("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Options read_arguments(int count, char** arguments) {
  Options options;
  std::map<std::string, std::string*> texts{{"--method", &options.method},
                                            {"--prefix", &options.prefix},
                                            {"--content-type", &options.content_type},
                                            {"--accept", &options.accept},
                                            {"--watch-url", &options.watch_target}};
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--help" || i + 1 == count) {
      std::cout << kHelp;
      std::exit(word == "--help" ? 0 : 2);
    }
    const std::string value = arguments[++i];
    if (word == "--url")
      read_url(value, options);
    else if (texts.contains(word))
      *texts[word] = value;
    else if (word == "--connections")
      options.connections = std::stoul(value);
    else if (word == "--seconds")
      options.seconds = std::stod(value);
    else if (word == "--warmup")
      options.warmup = std::stod(value);
    else if (word == "--requests")
      options.requests = std::stoull(value);
    else if (word == "--body")
      options.body = read_file(value);
    else if (word == "--token")
      options.headers += "Authorization: Bearer " + value + "\r\n";
    else if (word == "--header")
      options.headers += value + "\r\n";
    else if (word == "--watchers")
      options.watchers = std::stoul(value);
    else
      die("unknown option " + word);
  }
  if (options.host.empty()) die("--url is missing; see --help");
  return options;
}

// Counts what a body is made of, whether it comes in chunks or by length; keeps nothing of it.
class Answer {
 public:
  enum class State { Head, Length, ChunkSize, Chunk, ChunkEnd, Trailer, Done };

  // How much of bytes was used; less than all when the answer ended within it.
  std::size_t feed(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && state_ != State::Done) {
      if (state_ == State::Length || state_ == State::Chunk)
        at += take_body(bytes.substr(at));
      else
        at += take_line(bytes.substr(at));
    }
    return at;
  }
  bool head_done() const { return state_ != State::Head; }
  bool done() const { return state_ == State::Done; }
  int status() const { return status_; }
  std::uint64_t lines() const { return lines_; }
  std::uint64_t bytes() const { return bytes_; }  // of the body
  void reset() { *this = {}; }

 private:
  std::size_t take_body(std::string_view bytes) {
    const std::size_t used = std::min<std::size_t>(left_, bytes.size());
    lines_ +=
        static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used), '\n'));
    left_ -= used;
    bytes_ += used;
    if (left_ == 0) state_ = state_ == State::Length ? State::Done : State::ChunkEnd;
    return used;
  }

  std::size_t take_line(std::string_view bytes) {
    const auto end = bytes.find('\n');
    line_.append(bytes.substr(0, end));
    if (end == std::string_view::npos) return bytes.size();
    if (line_.ends_with('\r')) line_.pop_back();
    judge_line();
    line_.clear();
    return end + 1;
  }

  void judge_line() {
    switch (state_) {
      case State::Head:
        if (status_ == 0) {
          status_ = line_.size() > 12 ? std::atoi(line_.c_str() + 9) : -1;
        } else if (!line_.empty()) {
          judge_header();
        } else if (status_ / 100 == 1) {
          status_ = 0;
        } else {
          state_ = chunked_ ? State::ChunkSize : left_ > 0 ? State::Length : State::Done;
        }
        break;
      case State::ChunkSize:
        left_ = std::strtoull(line_.c_str(), nullptr, 16);
        state_ = left_ > 0 ? State::Chunk : State::Trailer;
        break;
      case State::ChunkEnd:
        state_ = State::ChunkSize;
        break;
      case State::Trailer:
        if (line_.empty()) state_ = State::Done;
        break;
      default:
        break;
    }
  }

  void judge_header() {
    if (::strncasecmp(line_.c_str(), "content-length:", 15) == 0)
      left_ = std::strtoull(line_.c_str() + 15, nullptr, 10);
    if (::strncasecmp(line_.c_str(), "transfer-encoding:", 18) == 0) chunked_ = true;
  }

  State state_ = State::Head;
  int status_ = 0;
  bool chunked_ = false;
  std::uint64_t left_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t bytes_ = 0;
  std::string line_;
};

struct Connection {
  int fd = -1;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
  bool connected = false;
  bool is_watch = false;
  bool busy = false;
  bool wants_write = true;  // as registered with epoll
  std::string out;
  std::size_t sent = 0;
  Answer answer;
  std::uint64_t lines_counted = 0;
  Clock::time_point started;
};

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(options_.host.c_str(), options_.port.c_str(), &hints, &address_) != 0)
      die("cannot resolve " + options_.host);
    if (options_.tls) {
      context_ = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
      SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      SSL_CTX_set_read_ahead(context_, 1);
    }
    latencies_.reserve(1 << 20);
  }

  void run() {
    open(options_.watchers, true);
    while (watching_ < options_.watchers) turn();
    const auto begin = Clock::now();
    measure_from_ = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.warmup));
    end_ = measure_from_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
    events_ = 0;
    open(options_.connections, false);
    while (!over()) turn();
    const auto stopped = Clock::now();
    stopping_ = true;
    const auto expected = (answers_ + unmeasured_) * options_.watchers;
    last_event_ = stopped;
    while (events_ < expected && Clock::now() - last_event_ < std::chrono::seconds(2)) turn();
    report(std::chrono::duration<double>(stopped - measure_from_).count(),
           std::chrono::duration<double>(last_event_ - begin).count());
  }

 private:
  bool over() const {
    if (options_.requests > 0) return answers_ >= options_.requests || errors_ > options_.requests;
    return Clock::now() >= end_;
  }

  void open(std::size_t count, bool is_watch) {
    for (std::size_t i = 0; i < count; ++i) {
      auto connection = std::make_unique<Connection>();
      connection->is_watch = is_watch;
      connect(*connection);
      connections_.push_back(std::move(connection));
    }
  }

  void connect(Connection& connection) {
    connection.ssl.reset();
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = ::socket(address_->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) die(std::string("socket: ") + std::strerror(errno));
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(connection.fd, address_->ai_addr, address_->ai_addrlen) != 0 && errno != EINPROGRESS)
      die(std::string("connect: ") + std::strerror(errno));
    connection.connected = !options_.tls;
    connection.busy = false;
    if (options_.tls) {
      connection.ssl.reset(SSL_new(context_));
      SSL_set_fd(connection.ssl.get(), connection.fd);
      SSL_set_connect_state(connection.ssl.get());
    }
    connection.wants_write = true;
    epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.ptr = &connection}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void turn() {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), 100);
    for (int i = 0; i < count; ++i) step(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
  }

  void want_write(Connection& connection, bool wanted) {
    if (connection.wants_write == wanted) return;
    connection.wants_write = wanted;
    epoll_event event{.events = EPOLLIN | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0U),
                      .data = {.ptr = &connection}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void step(Connection& connection) {
    if (!connection.connected) {
      const int result = SSL_do_handshake(connection.ssl.get());
      if (result != 1) {
        const int why = SSL_get_error(connection.ssl.get(), result);
        want_write(connection, why == SSL_ERROR_WANT_WRITE);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) lost(connection);
        return;
      }
      connection.connected = true;
    }
    if (!connection.busy) start(connection);
    if (connection.busy && !write(connection)) return;
    read(connection);
  }

  void start(Connection& connection) {
    if (stopping_ && !connection.is_watch) return want_write(connection, false);
    connection.answer.reset();
    connection.lines_counted = 0;
    connection.out = connection.is_watch ? head("GET", options_.watch_target, 0) : next_request();
    connection.sent = 0;
    connection.busy = true;
    connection.started = Clock::now();
  }

  std::string head(const std::string& method, const std::string& target, std::size_t body) const {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: " + options_.host +
                       "\r\nAccept: " + options_.accept + "\r\n" + options_.headers;
    if (body > 0)
      text += "Content-Type: " + options_.content_type + "\r\nContent-Length: " + std::to_string(body) + "\r\n";
    return text + "\r\n";
  }

  std::string next_request() {
    const std::string number = std::to_string(++number_);
    const std::string name = options_.prefix + "-" + number;
    const auto filled = [&](std::string text) {
      for (const auto& [mark, value] :
           {std::pair<std::string_view, const std::string&>{"{name}", name}, {"{n}", number}}) {
        for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
          text.replace(at, mark.size(), value);
      }
      return text;
    };
    const std::string body = filled(options_.body);
    return head(options_.method, filled(options_.target), body.size()) + body;
  }

  // False when the connection is lost.
  bool write(Connection& connection) {
    while (connection.sent < connection.out.size()) {
      const char* from = connection.out.data() + connection.sent;
      const std::size_t size = connection.out.size() - connection.sent;
      ssize_t written = 0;
      if (connection.ssl) {
        written = SSL_write(connection.ssl.get(), from, static_cast<int>(size));
        if (written <= 0 && SSL_get_error(connection.ssl.get(), static_cast<int>(written)) == SSL_ERROR_WANT_WRITE)
          break;
      } else {
        written = ::send(connection.fd, from, size, MSG_NOSIGNAL);
        if (written < 0 && errno == EAGAIN) break;
      }
      if (written <= 0) {
        lost(connection);
        return false;
      }
      connection.sent += static_cast<std::size_t>(written);
    }
    want_write(connection, connection.sent < connection.out.size());
    return true;
  }

  void read(Connection& connection) {
    while (true) {
      const ssize_t got = connection.ssl
                              ? SSL_read(connection.ssl.get(), buffer_.data(), static_cast<int>(buffer_.size()))
                              : ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) {
        const bool again = connection.ssl
                               ? SSL_get_error(connection.ssl.get(), static_cast<int>(got)) == SSL_ERROR_WANT_READ
                               : got < 0 && errno == EAGAIN;
        if (!again) lost(connection);
        return;
      }
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      const bool had_head = connection.answer.head_done();
      connection.answer.feed(bytes);
      if (connection.is_watch) {
        count_events(connection, had_head);
      } else if (connection.answer.done()) {
        finish(connection);
        start(connection);
        if (!connection.busy || !write(connection)) return;
      }
      if (static_cast<std::size_t>(got) < buffer_.size() && !(connection.ssl && SSL_has_pending(connection.ssl.get())))
        return;
    }
  }

  void count_events(Connection& connection, bool had_head) {
    if (!had_head && connection.answer.head_done()) {
      if (connection.answer.status() != 200)
        die("a watch was answered with " + std::to_string(connection.answer.status()));
      ++watching_;
    }
    const std::uint64_t fresh = connection.answer.lines() - connection.lines_counted;
    connection.lines_counted += fresh;
    events_ += fresh;
    if (fresh > 0) last_event_ = Clock::now();
    if (connection.answer.done()) die("the server ended a watch");
  }

  void finish(Connection& connection) {
    const auto now = Clock::now();
    connection.busy = false;
    ++statuses_[connection.answer.status()];
    if (connection.answer.status() / 100 != 2) ++errors_;
    if (connection.started < measure_from_) {
      ++unmeasured_;
      return;
    }
    ++answers_;
    bytes_ += connection.answer.bytes();
    latencies_.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - connection.started).count()));
  }

  void lost(Connection& connection) {
    ERR_clear_error();
    if (connection.is_watch) die("a watch was cut off");
    if (stopping_) return;
    if (++errors_ > 1000 + 10 * options_.connections) die("the server refuses to be connected to");
    connect(connection);
  }

  double percentile(double part) const {
    if (latencies_.empty()) return 0;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(latencies_.size() - 1));
    return latencies_[at] / 1000.0;
  }

  void report(double seconds, double until_last_event) {
    std::ranges::sort(latencies_);
    std::printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"rate\":%.1f,",
                static_cast<unsigned long long>(answers_), static_cast<unsigned long long>(errors_), seconds,
                static_cast<double>(answers_) / seconds);
    std::printf("\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"statuses\":{", percentile(0.5),
                percentile(0.9), percentile(0.99), percentile(1));
    const char* comma = "";
    for (const auto& [status, count] : statuses_) {
      std::printf("%s\"%d\":%llu", std::exchange(comma, ","), status, static_cast<unsigned long long>(count));
    }
    std::printf("},\"body_megabytes_per_second\":%.1f", static_cast<double>(bytes_) / 1e6 / seconds);
    std::printf(",\"watchers\":%zu,\"events\":%llu,\"events_per_second\":%.1f}\n", options_.watchers,
                static_cast<unsigned long long>(events_),
                until_last_event > 0 ? static_cast<double>(events_) / until_last_event : 0.0);
  }

  Options options_;
  int epoll_;
  addrinfo* address_ = nullptr;
  SSL_CTX* context_ = nullptr;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::array<char, 64 << 10> buffer_{};
  std::vector<std::uint32_t> latencies_;
  std::map<int, std::uint64_t> statuses_;
  std::uint64_t answers_ = 0, unmeasured_ = 0, errors_ = 0, number_ = 0, events_ = 0, bytes_ = 0;
  std::size_t watching_ = 0;
  bool stopping_ = false;
  Clock::time_point measure_from_, end_, last_event_;
};

}  // namespace

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto load = std::make_unique<Load>(read_arguments(count, arguments));
  load->run();
}
