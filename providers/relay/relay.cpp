#include "providers/relay/relay.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "controller/base/byte_stream.hpp"
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/control.hpp"
#include "providers/relay/deadline.hpp"
#include "providers/relay/line.hpp"
#include "providers/relay/relay_instance.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("relay");

constexpr int kPiecesATurn = 16;

class Counted {
 public:
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
};

enum class Moved { Some, Waited, SourceEnded, TargetEnded };

// Moves what is there from one side to the other; waits when there is nothing.
Task<Moved> move_some(Line& from, Line& to) {
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
  const auto state = to.take({piece.data(), got});
  if (state == ByteStream::State::Done) co_return Moved::Some;
  if (state == ByteStream::State::End) co_return Moved::TargetEnded;
  const bool written = co_await to.flushed();
  co_return written ? Moved::Some : Moved::TargetEnded;
}

}  // namespace

struct Relay::Exchange {
  std::shared_ptr<ByteStream> client;
  std::optional<PlainLine> client_line;
  std::shared_ptr<Line> upstream;  // shared: whoever pumps into it may still hold the last one
  RequestHead head;
  std::string rest;        // came with the head
  bool more_sent = false;  // something after the head went to the instance
  bool over = false;
};

Relay::Relay(Reactor& reactor, Options options) : reactor_(reactor), options_(options), changed_(reactor) {}
Relay::~Relay() {
  for (const auto& tunnel : tunnels_) tunnel->close();
}

void Relay::configure(Config config) {
  if (config == config_) return;
  use_tunnels(config);
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
      instance->tunnel = tunnel_of(upstream);
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
    if (one.tunnel) {
      value.set("encrypted", encrypts(*one.tunnel));
      if (!one.tunnel->problem().empty()) value.set("tunnelProblem", one.tunnel->problem());
    }
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
                      {"tunnels", tunnels_json()},
                      {"rateLimited", limited_},
                      {"waiting", static_cast<std::int64_t>(waiting_)}};
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
  x->client = std::make_shared<ByteStream>(reactor_, descriptor);
  x->client_line.emplace(x->client);
  auto head = co_await read_head(reactor_, *x->client, options_.head_time, x->rest);
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
    bool answered = false;
    const std::shared_ptr<Line> line = line_to(*instance);
    Line::Reached came = Line::Reached::No;
    {
      const Deadline limit(reactor_, options_.connect_time, [line] { line->close(); });
      came = co_await line->open(x->head.text, x->rest);
    }
    const bool reached = came != Line::Reached::No;
    if (came == Line::Reached::Yes) {
      x->upstream = line;
      if (!pumping) reactor_.spawn(pump_up(reactor_, x));
      pumping = true;
      int pieces = 0;
      while (true) {
        const Moved moved = co_await move_some(*x->upstream, *x->client_line);
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
    line->close();
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
    const std::shared_ptr<Line> upstream = x->upstream;
    if (upstream->closed()) {
      // Between two instances: only the client's going away matters.
      (void)co_await x->client->readable();
      if (x->upstream->closed()) break;
      continue;
    }
    const Moved moved = co_await move_some(*x->client_line, *upstream);
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
  auto call = co_await read_control(reactor_, stream, options_.head_time);
  if (!call) co_return;
  if (call->asks_for_the_place()) {
    co_await leave(stream, descriptor);
    co_return;
  }
  const std::string text = co_await control(call->head, std::move(call->body));
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
