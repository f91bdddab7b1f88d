// What stands in for the services of the seed systems in tests: one static program that answers as they would.
//   GET  /health, /info         200
//   GET  /env/NAME              the variable as it arrived, byte for byte; 404 when it is not set
//   POST /chat, /jobs?millis=N  takes one of CONCURRENCY places for N milliseconds; who finds none waits its turn
//   GET  .../jobs                {"running", "waiting", "most"}
//   GET  /socket.io/            an Engine.IO handshake; with Upgrade: websocket, bytes are sent back as they come
//   OPTIONS                     a preflight, answered for ALLOWED_ORIGIN only
// Listens on PORT; UDP_PORT, if set, sends datagrams back. SIGTERM: no new requests, those under way are finished.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace {

std::atomic<bool> ending{false};
std::atomic<int> open_connections{0};

std::string variable(const char* name, std::string otherwise = {}) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

// Places for jobs: the eleventh of ten waits, and is not refused.
class Places {
 public:
  explicit Places(int count) : free_(count) {}

  void use(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return free_ > 0; });
    --waiting_;
    --free_;
    most_ = std::max(most_, ++running_);
    lock.unlock();
    std::this_thread::sleep_for(time);
    lock.lock();
    --running_;
    ++free_;
    changed_.notify_one();
  }

  std::string state() {
    const std::lock_guard lock(mutex_);
    return "{\"running\":" + std::to_string(running_) + ",\"waiting\":" + std::to_string(waiting_) +
           ",\"most\":" + std::to_string(most_) + "}";
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;
  int running_ = 0;
  int waiting_ = 0;
  int most_ = 0;
};

struct Request {
  std::string method, path, head;
  bool keep_alive = true;

  std::string header(std::string_view name) const {
    std::string lower(head);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    const auto at = lower.find("\r\n" + std::string(name) + ":");
    if (at == std::string::npos) return {};
    const auto start = head.find_first_not_of(' ', at + name.size() + 3);
    return head.substr(start, head.find("\r\n", start) - start);
  }
};

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void answer(int fd, const Request& request, const std::string& status, const std::string& body,
            const std::string& more = {}) {
  send_all(fd, "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\nContent-Type: text/plain\r\n" + more + (request.keep_alive ? "" : "Connection: close\r\n") +
                   "\r\n" + (request.method == "HEAD" ? "" : body));
}

void echo(int fd) {
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
    send_all(fd, {buffer, static_cast<std::size_t>(got)});
}

void handle(int fd, const Request& request, Places& places) {
  const std::string path = request.path.substr(0, request.path.find('?'));
  if (request.method == "OPTIONS") {
    const std::string origin = request.header("origin");
    const bool allowed = !origin.empty() && origin == variable("ALLOWED_ORIGIN");
    answer(fd, request, "204 No Content", {},
           allowed ? "Access-Control-Allow-Origin: " + origin + "\r\nAccess-Control-Allow-Methods: GET, POST\r\n" : "");
  } else if (path.starts_with("/env/")) {
    const char* value = std::getenv(path.substr(5).c_str());
    answer(fd, request, value ? "200 OK" : "404 Not Found", value ? value : "not set");
  } else if (request.method == "POST") {
    const auto at = request.path.find("millis=");
    places.use(std::chrono::milliseconds(at == std::string::npos ? 0 : std::atoi(request.path.c_str() + at + 7)));
    answer(fd, request, "200 OK", "done\n");
  } else if (path.ends_with("/jobs")) {
    answer(fd, request, "200 OK", places.state());
  } else if (path == "/socket.io/") {
    answer(fd, request, "200 OK",
           R"(0{"sid":"stand-in","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000})");
  } else {
    answer(fd, request, "200 OK", variable("SERVICE", "stand-in") + " ok\n");
  }
}

void serve(int fd, Places& places) {
  std::string input;
  while (true) {
    std::size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos) {
      char buffer[8192];
      const auto got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      input.append(buffer, static_cast<std::size_t>(got));
    }
    Request request;
    request.head = input.substr(0, end + 2);
    input.erase(0, end + 4);
    request.method = request.head.substr(0, request.head.find(' '));
    const auto start = request.method.size() + 1;
    request.path = request.head.substr(start, request.head.find(' ', start) - start);
    std::size_t length = std::strtoul(request.header("content-length").c_str(), nullptr, 10);
    while (input.size() < length) {
      char buffer[8192];
      const auto got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      input.append(buffer, static_cast<std::size_t>(got));
    }
    input.erase(0, length);
    if (request.header("upgrade") == "websocket") {
      send_all(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
      send_all(fd, input);
      return echo(fd);
    }
    request.keep_alive = !ending && request.header("connection") != "close";
    handle(fd, request, places);
    if (!request.keep_alive) return;
  }
}

int listen_on(int type, int port) {
  const int fd = ::socket(AF_INET, type, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      (type == SOCK_STREAM && ::listen(fd, 512) != 0)) {
    std::perror(("port " + std::to_string(port)).c_str());
    std::exit(1);
  }
  return fd;
}

void echo_datagrams(int port) {
  const int fd = listen_on(SOCK_DGRAM, port);
  std::thread([fd] {
    char buffer[2048];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    for (ssize_t got = 0;
         (got = ::recvfrom(fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length)) >= 0;)
      ::sendto(fd, buffer, static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from), length);
  }).detach();
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { ending = true; });
  Places places(std::atoi(variable("CONCURRENCY", "10").c_str()));
  if (const std::string udp = variable("UDP_PORT"); !udp.empty()) echo_datagrams(std::atoi(udp.c_str()));
  const int listener = listen_on(SOCK_STREAM, std::atoi(variable("PORT", "8080").c_str()));
  std::printf("%s listens on %s\n", variable("SERVICE", "stand-in").c_str(), variable("PORT", "8080").c_str());
  std::fflush(stdout);
  while (!ending) {
    pollfd waiting{listener, POLLIN, 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) continue;
    ++open_connections;
    std::thread([fd, &places] {
      serve(fd, places);
      ::close(fd);
      --open_connections;
    }).detach();
  }
  ::close(listener);
  for (int i = 0; i < 100 && open_connections > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::_Exit(0);
}
