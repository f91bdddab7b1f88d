#include "providers/relay/relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "controller/base/byte_stream.hpp"
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/relay_instance.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("relay");

constexpr std::size_t kHeadMax = 256 << 10;
constexpr std::size_t kConfigMax = 64 << 20;
constexpr int kPiecesATurn = 16;

// Closes a stream when time is up, which wakes whoever waits for it.
class Deadline {
 public:
  Deadline(Reactor& reactor, ByteStream& stream, Duration after) : clock_(reactor.clock()) {
    id_ = clock_.call_at(reactor, reactor.now() + after, [&stream] { stream.close(); });
  }
  ~Deadline() { clock_.cancel(id_); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  Clock& clock_;
  Clock::TimerId id_ = 0;
};

class Counted {
 public:
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
};

std::string answer(std::string_view status, std::string_view body, std::string_view more = {}) {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + std::string(more) + "\r\n" + std::string(body);
}

// Non-blocking; the first write tells whether it worked. -1 at once when the address is none.
int begin_connect(const std::string& address, int port) {
  sockaddr_storage name{};
  socklen_t length = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&name);
  auto* six = reinterpret_cast<sockaddr_in6*>(&name);
  if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof *four;
  } else if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof *six;
  } else {
    return -1;
  }
  const int descriptor = ::socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&name), length) == 0 || errno == EINPROGRESS)
    return descriptor;
  ::close(descriptor);
  return -1;
}

enum class Moved { Some, Waited, SourceEnded, TargetEnded };

// Moves what is there from one side to the other; waits when there is nothing.
Task<Moved> move_some(ByteStream& from, ByteStream& to) {
  static thread_local std::array<char, 64 << 10> piece;  // never held across a wait
  std::size_t got = 0;
  switch (from.read_now(piece, got)) {
    case ByteStream::State::End:
      co_return Moved::SourceEnded;
    case ByteStream::State::Blocked: {
      const bool more = co_await from.readable();
      co_return more ? Moved::Waited : Moved::SourceEnded;
    }
    case ByteStream::State::Done:
      break;
  }
  const std::string_view bytes(piece.data(), got);
  Outgoing outgoing{.pieces = std::span(&bytes, 1)};
  const auto state = to.write_now(outgoing);
  if (state == ByteStream::State::Done) co_return Moved::Some;
  if (state == ByteStream::State::End) co_return Moved::TargetEnded;
  const std::string rest(bytes.substr(outgoing.offset));
  const bool written = co_await to.write(rest);
  co_return written ? Moved::Some : Moved::TargetEnded;
}

}  // namespace

struct Relay::Exchange {
  std::unique_ptr<ByteStream> client;
  std::shared_ptr<ByteStream> upstream;  // shared: whoever pumps into it may still hold the last one
  RequestHead head;
  std::string rest;        // came with the head
  bool more_sent = false;  // something after the head went to the instance
  bool over = false;
};

Relay::Relay(Reactor& reactor, Options options) : reactor_(reactor), options_(options), changed_(reactor) {}
Relay::~Relay() = default;

void Relay::configure(Config config) {
  if (config == config_) return;
  std::map<std::string, Serving> next;
  for (auto& [name, backend] : config.backends) {
    Serving& now = next[name];
    now.holds = backend.holds;
    std::vector<InstancePtr> before;
    if (const auto at = serving_.find(name); at != serving_.end()) {
      before = at->second.instances;
      before.insert(before.end(), at->second.draining.begin(), at->second.draining.end());
    }
    for (const auto& upstream : backend.upstreams) {
      const auto known = std::find_if(before.begin(), before.end(), [&](const InstancePtr& one) {
        return one->is(upstream.id, upstream.port, upstream.address);
      });
      InstancePtr instance = known == before.end() ? std::make_shared<Instance>() : *known;
      if (known != before.end()) before.erase(known);
      instance->id = upstream.id;
      instance->port = upstream.port;
      instance->address = upstream.address;
      instance->removed.reset();
      now.instances.push_back(std::move(instance));
    }
    for (auto& gone : before) {
      if (gone->busy() == 0) continue;
      if (!gone->removed) gone->removed = reactor_.now();
      now.draining.push_back(std::move(gone));
    }
  }
  serving_ = std::move(next);
  config_ = std::move(config);
  kLog.info("configured", {{"routes", config_.routes.size()}, {"backends", config_.backends.size()}});
  changed_.notify_all();
}

json::Value Relay::state(std::string_view of) const {
  const auto told = [&](const Instance& one) {
    json::Object value{{"id", one.id},
                       {"port", one.port},
                       {"address", one.address},
                       {"inFlight", one.busy()},
                       {"requests", one.requests}};
    if (one.removed) {
      value.set("drainingMillis",
                std::chrono::duration_cast<std::chrono::milliseconds>(reactor_.now() - *one.removed).count());
    }
    return json::Value(std::move(value));
  };
  json::Object backends;
  for (auto at = serving_.lower_bound(std::string(of)); at != serving_.end(); ++at) {
    const auto& [name, serving] = *at;
    if (!name.starts_with(of)) break;
    json::Array upstreams;
    for (const auto& one : serving.instances) upstreams.push_back(told(*one));
    for (const auto& one : serving.draining) {
      if (one->busy() > 0) upstreams.push_back(told(*one));
    }
    backends.set(name, json::Object{{"upstreams", std::move(upstreams)}});
  }
  return json::Object{{"program", options_.program},
                      {"backends", std::move(backends)},
                      {"rateLimited", limited_},
                      {"waiting", static_cast<std::int64_t>(waiting_)}};
}

Task<std::optional<RequestHead>> Relay::read_head(ByteStream& stream, std::string& rest) {
  const Deadline limit(reactor_, stream, options_.head_time);
  std::string bytes;
  while (true) {
    const std::size_t before = bytes.size();
    bytes.resize(before + 8192);
    const std::size_t got = co_await stream.read(std::span(bytes.data() + before, 8192));
    bytes.resize(before + got);
    if (got == 0 || bytes.size() > kHeadMax) co_return std::nullopt;
    const auto end = bytes.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) continue;
    rest = bytes.substr(end + 4);
    bytes.resize(end + 4);
    co_return parse_head(bytes);
  }
}

// Fewest requests in flight; of equals each in turn. One that refused a connection just now only when all others did.
Relay::InstancePtr Relay::best(Serving& serving) {
  InstancePtr found;
  const Instant now = reactor_.now();
  const auto avoided = [&](const Instance& one) { return one.avoid_until > now; };
  const std::size_t count = serving.instances.size();
  const std::size_t first = count == 0 ? 0 : ++turn_ % count;
  for (std::size_t i = 0; i < count; ++i) {
    const InstancePtr& one = serving.instances[(first + i) % count];
    if (avoided(*one)) continue;
    if (!found || one->in_flight < found->in_flight) found = one;
  }
  return found;
}

// The instance for a request; null when there is none in time. Counted as in flight from here on: between the choice
// and the connection it must not look idle.
Task<Relay::InstancePtr> Relay::choose(std::string backend, Instant until) {
  bool counted = false;
  InstancePtr found;
  while (true) {
    const auto at = serving_.find(backend);
    if (at == serving_.end()) break;
    found = best(at->second);
    const Instant now = reactor_.now();
    if (found || !at->second.holds || now >= until) break;
    if (!counted && waiting_ >= options_.waiting_max) break;
    if (!counted) ++waiting_;
    counted = true;
    Instant wake = until;
    for (const auto& one : at->second.instances) wake = std::min(wake, std::max(one->avoid_until, now));
    (void)co_await changed_.wait_until(std::max(wake, now + std::chrono::milliseconds(10)));
  }
  if (counted) --waiting_;
  if (found) {
    ++found->in_flight;
    ++found->requests;
  }
  co_return found;
}

Task<> Relay::serve(int descriptor) {
  const Counted counted(open_);
  const auto x = std::make_shared<Exchange>();
  x->client = std::make_unique<ByteStream>(reactor_, descriptor);
  auto head = co_await read_head(*x->client, x->rest);
  if (!head) {
    x->client->close();
    co_return;
  }
  x->head = std::move(*head);
  std::string refusal;
  if (const auto route = config_.routes.find(x->head.route); route == config_.routes.end()) {
    refusal = answer("503 Service Unavailable", "this route is not served any more\n", "Retry-After: 1\r\n");
  } else if (const Route& rule = route->second; rule.rate > 0) {
    const Duration wait = limiter_.take(x->head.route, x->head.client, rule.rate, rule.burst, reactor_.now());
    if (wait > Duration::zero()) {
      ++limited_;
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
      refusal = answer("429 Too Many Requests",
                       "at most " + std::to_string(rule.rate) + " requests a second are served to one client\n",
                       "Retry-After: " + std::to_string(seconds) + "\r\n");
    }
  }
  if (refusal.empty()) {
    co_await exchange(x);
  } else {
    (void)co_await x->client->write(refusal);
  }
  x->over = true;
  x->client->close();
  if (x->upstream) x->upstream->close();
}

// From the choice of an instance to the end of the answer. An instance that cannot be reached, or that dies without a
// word under a request which may be repeated, costs the client nothing while there is another.
Task<> Relay::exchange(std::shared_ptr<Exchange> x) {
  const std::string backend = config_.routes.at(x->head.route).backend;
  const Instant until = reactor_.now() + options_.hold;
  bool pumping = false;
  int silent_deaths = 0;
  while (!x->client->closed()) {
    const InstancePtr instance = co_await choose(backend, until);
    if (!instance) {
      const std::string none =
          answer("503 Service Unavailable", "no instance of the App serves at the moment\n", "Retry-After: 5\r\n");
      (void)co_await x->client->write(none);
      co_return;
    }
    bool reached = false;
    bool answered = false;
    if (const int descriptor = begin_connect(instance->address, instance->port); descriptor >= 0) {
      x->upstream = std::make_shared<ByteStream>(reactor_, descriptor);
      {
        const Deadline limit(reactor_, *x->upstream, options_.connect_time);
        const std::array<std::string_view, 2> pieces{x->head.text, x->rest};
        reached = co_await x->upstream->write(pieces);
        reached = reached || x->upstream->written() > 0;
      }
    }
    if (reached) {
      if (!pumping) reactor_.spawn(pump_up(reactor_, x));
      pumping = true;
      int pieces = 0;
      while (true) {
        const Moved moved = co_await move_some(*x->upstream, *x->client);
        if (moved == Moved::TargetEnded) x->over = true;
        if (moved == Moved::SourceEnded || moved == Moved::TargetEnded) break;
        answered = answered || moved == Moved::Some;
        if (moved == Moved::Some && ++pieces % kPiecesATurn == 0)
          co_await asio::post(reactor_.executor(), use_task);  // others have their turn
      }
    } else {
      instance->avoid_until = reactor_.now() + options_.avoid;
    }
    --instance->in_flight;
    if (x->upstream) x->upstream->close();
    if (reached && (answered || x->over)) co_return;
    if (reached) {
      if (!x->head.repeatable || x->more_sent || ++silent_deaths > 2) {
        const std::string lost = answer("502 Bad Gateway", "the App ended the connection without an answer\n");
        if (!x->more_sent) (void)co_await x->client->write(lost);
        co_return;
      }
      instance->avoid_until = reactor_.now() + options_.avoid;
    }
  }
}

// What the client sends after the head: a body, or its half of a WebSocket. Its end is the end of everything: Caddy
// closes only when it has the whole answer or when its own client is gone.
Task<> Relay::pump_up(Reactor& reactor, std::shared_ptr<Exchange> x) {
  int pieces = 0;
  while (!x->over) {
    const std::shared_ptr<ByteStream> upstream = x->upstream;
    if (upstream->closed()) {
      // Between two instances: only the client's going away matters.
      (void)co_await x->client->readable();
      if (x->upstream->closed()) break;
      continue;
    }
    const Moved moved = co_await move_some(*x->client, *upstream);
    x->more_sent = x->more_sent || moved == Moved::Some || moved == Moved::TargetEnded;
    // It does not want to hear more, but may have said something before: exchange() passes that on.
    if (moved == Moved::TargetEnded) co_return;
    if (moved == Moved::SourceEnded) break;
    if (moved == Moved::Some && ++pieces % kPiecesATurn == 0)
      co_await asio::post(reactor.executor(), use_task);  // others have their turn
  }
  x->over = true;
  x->client->close();
  x->upstream->close();
}

Task<> Relay::serve_control(int descriptor) {
  ByteStream stream(reactor_, descriptor);
  std::string body;
  const auto head = co_await read_head(stream, body);
  if (!head) co_return;
  std::optional<Deadline> limit;
  limit.emplace(reactor_, stream, options_.head_time);
  std::array<char, 16 << 10> piece;
  while (body.size() < head->content_length && body.size() <= kConfigMax) {
    const std::size_t got = co_await stream.read(piece);
    if (got == 0) co_return;
    body.append(piece.data(), got);
  }
  if (head->method == "POST" && head->target == "/handover") {
    limit.reset();
    co_await leave(stream, descriptor);
    co_return;
  }
  const std::string text = co_await control(*head, std::move(body));
  (void)co_await stream.write(text);
  stream.close();
}

Task<std::string> Relay::control(const RequestHead& head, std::string body) {
  constexpr std::string_view kState = "/state";
  if (head.method == "GET" && head.target == kState) co_return answer("200 OK", json::dump(state()) + "\n");
  if (head.method == "GET" && head.target.starts_with("/state/"))
    co_return answer("200 OK", json::dump(state(head.target.substr(kState.size() + 1) + "/")) + "\n");
  if (head.method != "PUT" || head.target != "/config")
    co_return answer("404 Not Found", "GET /state[/APP_UID], PUT /config\n");
  std::string refused;
  try {
    configure(read_config(json::parse(body)));
  } catch (const Error& error) {
    refused = error.message();
  }
  if (!refused.empty()) co_return answer("400 Bad Request", refused + "\n");
  co_return answer("200 OK", "configured\n");
}

}  // namespace gantry::providers::relay
