#include "providers/caddy/caddy_router.hpp"

#include <algorithm>
#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/caddy/route_check.hpp"
#include "providers/relay/relay.hpp"

namespace gantry::providers::caddy {
namespace {

const log::Logger kLog("proxy");

constexpr Duration kStartPatience = std::chrono::seconds(15);
constexpr Duration kAskAgain = std::chrono::milliseconds(20);
constexpr Duration kLookEvery = std::chrono::seconds(15);
constexpr Duration kWhenDown = std::chrono::milliseconds(250);
constexpr Duration kControlTimeout = std::chrono::seconds(5);
constexpr Duration kIdentityEvery = std::chrono::hours(1);
constexpr Duration kTunnelsNew = std::chrono::milliseconds(200);
constexpr Duration kTunnelsClosed = std::chrono::seconds(3);
constexpr std::size_t kSocketPathMax = 100;

}  // namespace

CaddyRouter::CaddyRouter(Reactor& reactor, Blocking& blocking, WorkloadHost& host, Options options)
    : reactor_(reactor),
      blocking_(blocking),
      host_(host),
      options_(std::move(options)),
      caddy_(reactor, host,
             {"caddy", {options_.caddy_program, "run", "--config", path("caddy.json")}, options_.folder}),
      relay_(reactor, host, {"relay", {options_.relay_program, "relay", "--dir", options_.folder}, options_.folder}),
      admin_(reactor, path("caddy.sock")),
      control_(reactor, path("control.sock")),
      freed_(reactor),
      look_(reactor),
      check_(reactor),
      gate_(reactor) {}

CaddyRouter::~CaddyRouter() = default;

std::string CaddyRouter::path(std::string_view name) const { return options_.folder + "/" + std::string(name); }

Task<> CaddyRouter::open() {
  const std::string folder = options_.folder;
  if (folder.size() > kSocketPathMax - std::string_view("/control.sock").size()) {
    down_ = "the path " + folder + " is too long for the sockets of the proxy; use a shorter --data-dir";
    co_return;
  }
  apps_ = co_await blocking_.run(reactor_, [folder] {
    files::make_directories(folder + "/apps", 0700);
    AllRoutes apps;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/apps")) {
      if (entry.path().extension() != ".json") continue;
      try {
        AppRoutes routes = read_routes(json::parse(files::read_file(entry.path().string())));
        apps[routes.app_uid] = std::move(routes);
      } catch (const Error& error) {  // made anew by its App's next reconcile
        kLog.warn("a route file cannot be read", {{"file", entry.path().string()}, {"error", error.message()}});
      }
    }
    return apps;
  });
  host_.on_change([this](const std::string& owner) {
    if (owner == kProxyOwner) look_now();
  });
  reactor_.spawn(keep(gate_.enter()));
  reactor_.spawn(check_for_ever(gate_.enter()));
}

Task<> CaddyRouter::close() {
  closing_ = true;
  look_now();
  check_.notify_all();
  co_await gate_.close();
}

Task<> CaddyRouter::take_turn() {
  while (busy_) co_await freed_.wait();
  busy_ = true;
}

void CaddyRouter::give_turn() {
  busy_ = false;
  freed_.notify_one();
}

// Remembered, since the keeper may be busy.
void CaddyRouter::look_now() {
  must_look_ = true;
  look_.notify_all();
}

void CaddyRouter::tell(const std::string& uid) {
  for (const auto& listener : listeners_) listener(uid);
}

void CaddyRouter::tell_all() {
  std::set<std::string> uids = waiting_;
  for (const auto& [uid, routes] : apps_) uids.insert(uid);
  for (const auto& uid : uids) tell(uid);
}

CaddyOptions CaddyRouter::caddy_options() const {
  return {.http_port = options_.http_port,
          .https_port = options_.https_port,
          .admin_socket = path("caddy.sock"),
          .relay_socket = path("relay.sock"),
          .storage_folder = path("certificates"),
          .acme_email = options_.acme_email,
          .acme_directory = options_.acme_directory,
          .acme_trusted_ca_file = options_.acme_trusted_ca_file,
          .stream_close_delay = stream_close_delay_};
}

Task<> CaddyRouter::write(std::string name, std::string text) {
  co_await blocking_.run(reactor_, [file = path(name), text = std::move(text)] {
    files::write_file_atomically(file, text, 0600);  // it may hold a certificate's key
  });
}

// --- keeping both processes running

Task<> CaddyRouter::keep(Gate::Pass) {
  while (!closing_) {
    must_look_ = false;
    Duration pause = kLookEvery;
    if (!nobody()) {
      co_await take_turn();
      const Turn turn(*this);
      const std::string before = down_;
      const std::string served = caddy_seen_ + relay_seen_;
      const bool up = co_await bring_up();
      if (before != down_ || (up && served != caddy_seen_ + relay_seen_)) tell_all();
      if (up) pause = co_await look_at_tunnels();
    }
    if (closing_) break;
    Instant wake = reactor_.now() + pause;
    for (const auto& retry : {caddy_.retry_at(), relay_.retry_at()}) {
      if (retry && !nobody()) wake = std::min(wake, *retry);
    }
    // Something happened while we were busy; at once, unless there is trouble that only time can help.
    if (must_look_) wake = down_.empty() ? reactor_.now() : std::min<Instant>(wake, reactor_.now() + kWhenDown);
    (void)co_await look_.wait_until(wake);
  }
}

// True: both run and serve what is in the files. Whoever calls has the turn.
Task<bool> CaddyRouter::bring_up() {
  std::optional<Error> failure;
  try {
    co_await renew_identity();
    if (relay_seen_.empty()) co_await write("relay.json", json::dump(relay::to_json(relay_config(apps_))));
    if (!co_await relay_.ensure()) {
      down_ = relay_.problem();
      relay_seen_.clear();
      co_return false;
    }
    if (caddy_seen_.empty()) co_await write_caddy_file();
    if (!co_await caddy_.ensure()) {
      down_ = caddy_.problem();
      caddy_seen_.clear();
      co_return false;
    }
    if (caddy_seen_ != caddy_.instance() || relay_seen_ != relay_.instance() || reactor_.now() >= next_sync_)
      co_await sync();
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) {
    down_.clear();
    caddy_.forgive();
    relay_.forgive();
    co_return true;
  }
  // Most likely it has just ended: what it said then is better than that it does not answer.
  (void)co_await caddy_.ensure();
  down_ = caddy_.last_end().empty() ? failure->message() : caddy_.last_end();
  caddy_seen_.clear();
  relay_seen_.clear();
  co_return false;
}

// What runs may be older than we are, or somebody may have changed it through Caddy's API.
Task<> CaddyRouter::sync() {
  if (!co_await caddy_answers(kStartPatience))
    throw Error(ErrorCode::Unavailable, "Caddy runs but does not answer on " + admin_.socket_path());
  const Instant until = reactor_.now() + kStartPatience;
  while (true) {
    std::optional<Error> failure;
    try {
      co_await tell_relay(relay_config(apps_));
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) break;
    const bool lives = co_await relay_.ensure();
    if (!lives || reactor_.now() > until) throw *failure;
    co_await sleep_for(reactor_, kAskAgain);
  }
  co_await renew_relay();
  // Each Caddy may be another version.
  if (caddy_seen_ != caddy_.instance()) stream_close_delay_ = true;
  const http::Response running = co_await ask_caddy({.url = "/config/", .timeout = kControlTimeout});
  if (running.status != 200 || !(json::parse(running.body) == render_caddy(apps_, caddy_options())))
    co_await load(apps_);
  caddy_seen_ = caddy_.instance();
  relay_seen_ = relay_.instance();
  next_sync_ = reactor_.now() + kLookEvery;
  check_.notify_all();
}

Task<> CaddyRouter::renew_relay() {
  if (relay_renewed_) co_return;
  relay_renewed_ = true;
  const std::string& program = options_.relay_program;
  co_await relay_.renew(control_, "/state/none",
                        relay::program_identity(program == "$(GANTRY_BINARY)" ? "/proc/self/exe" : program));
}

relay::Config CaddyRouter::relay_config(const AllRoutes& apps) const {
  relay::Config config = render_relay(apps);
  for (const auto& [name, backend] : config.backends) {
    if (std::ranges::any_of(backend.upstreams, [](const auto& one) { return one.tunnel.has_value(); }))
      config.identity = identity_;
  }
  return config;
}

// Its certificate is made anew long before it ends.
Task<> CaddyRouter::renew_identity() {
  if (!options_.relay_identity || reactor_.now() < identity_due_) co_return;
  identity_due_ = reactor_.now() + kIdentityEvery;
  identity_ = co_await blocking_.run(reactor_, options_.relay_identity);
}

// Says when to look again.
Task<Duration> CaddyRouter::look_at_tunnels() {
  std::string told;
  Duration again = kLookEvery;
  try {
    const auto state = co_await control_.send({.url = "/state/none", .timeout = kControlTimeout});
    const json::Value value = json::parse(state.body);
    const json::Value* tunnels = value.find("tunnels");
    for (const auto& one : tunnels ? tunnels->as_array() : json::Array()) {
      const std::string problem = one.string_or("problem");
      const bool worked = one.bool_or("worked", false);
      told += one.string_or("address") + " " + std::to_string(one.int_or("port", 0)) + (worked ? " + " : " - ") +
              problem + "\n";
      if (!worked || !problem.empty()) again = problem.empty() ? kTunnelsNew : kTunnelsClosed;
    }
  } catch (const Error&) {  // its being down is seen elsewhere
  }
  if (told != tunnels_seen_) {
    tunnels_seen_ = std::move(told);
    tell_all();
  }
  co_return again;
}

Task<bool> CaddyRouter::caddy_answers(Duration patience) {
  const Instant until = reactor_.now() + patience;
  while (reactor_.now() < until && !closing_) {
    bool answered = false;
    try {
      answered = (co_await admin_.send(
                      {.url = "/config/admin", .headers = {{"Connection", "close"}}, .timeout = kControlTimeout}))
                     .status == 200;
    } catch (const Error&) {  // not yet
    }
    if (answered) co_return true;
    const auto all = co_await host_.list(std::string(kProxyOwner));
    const bool lives = std::ranges::any_of(
        all, [&](const Instance& one) { return one.id == caddy_.instance() && one.state != Instance::State::Exited; });
    if (!lives) co_return false;
    co_await sleep_for(reactor_, kAskAgain);
  }
  co_return false;
}

Task<> CaddyRouter::end_processes() {
  caddy_seen_.clear();
  relay_seen_.clear();
  co_await caddy_.end();
  co_await relay_.end();
}

// --- telling what is served

Task<SeenRoutes> CaddyRouter::observe(std::string app_uid) {
  SeenRoutes seen;
  seen.down = down_;
  if (const auto problem = problems_.find(app_uid); problem != problems_.end()) {
    seen.problem = problem->second.message;
    seen.problem_hash = problem->second.hash;
  }
  const auto served = apps_.find(app_uid);
  if (served == apps_.end()) co_return seen;
  seen.exists = true;
  seen.holds = served->second.holds;
  seen.rules_hash = rules_hash(served->second);
  if (const auto checks = checks_.find(app_uid); checks != checks_.end()) seen.checks = checks->second;
  http::Response state;
  try {
    state = co_await control_.send({.url = "/state/" + app_uid, .timeout = kControlTimeout});
  } catch (const Error& error) {  // its being down is the finding
    if (seen.down.empty()) seen.down = "the relay does not answer: " + error.message();
    look_now();
    co_return seen;
  }
  const json::Value told = json::parse(state.body);
  const json::Value* backends = told.find("backends");
  for (const auto& [key, backend] : backends ? backends->as_object() : json::Object()) {
    if (!key.starts_with(app_uid + "/")) continue;
    for (const auto& one : backend.find("upstreams")->as_array()) {
      SeenUpstream upstream{.backend = key.substr(app_uid.size() + 1),
                            .upstream = {one.string_or("id"), static_cast<int>(one.int_or("port", 0)),
                                         one.string_or("address", "127.0.0.1")},
                            .in_flight = static_cast<int>(one.int_or("inFlight", 0)),
                            .draining = {}};
      if (const json::Value* since = one.find("drainingMillis"))
        upstream.draining = std::chrono::milliseconds(since->as_int());
      upstream.encrypted = one.bool_or("encrypted", false);
      upstream.tunnel_problem = one.string_or("tunnelProblem");
      // The relay does not say how it was told to get there.
      if (const auto list = served->second.upstreams.find(upstream.backend); list != served->second.upstreams.end()) {
        for (const auto& asked : list->second) {
          if (asked.instance == upstream.upstream.instance && asked.port == upstream.upstream.port)
            upstream.upstream.tunnel = asked.tunnel;
        }
      }
      seen.upstreams.push_back(std::move(upstream));
    }
  }
  co_return seen;
}

std::string CaddyRouter::url_of(const RouteRule& rule) const {
  const bool plain = rule.tls.mode == RouteTls::Mode::None;
  const int port = plain ? options_.http_port : options_.https_port;
  const std::string suffix = port == (plain ? 80 : 443) ? "" : ":" + std::to_string(port);
  return (plain ? "http://" : "https://") + rule.host + suffix + (rule.path == "/" ? "" : rule.path);
}

std::string CaddyRouter::rate_limiter() const {
  return "Gantry's relay on this host: a token bucket for each client address";
}

Task<> CaddyRouter::check_for_ever(Gate::Pass) {
  while (!closing_) {
    const std::string root =
        co_await blocking_.run(reactor_, [file = path("certificates/pki/authorities/local/root.crt")] {
          return files::read_file_if_exists(file).value_or(std::string());
        });
    bool waiting = false;  // for a certificate, which takes a moment
    for (const auto& [uid, routes] : AllRoutes(apps_)) {
      std::vector<RouteCheck> found;
      for (const auto& rule : routes.rules) {
        if (closing_) co_return;
        const bool internal = rule.tls.mode == RouteTls::Mode::Internal;
        const bool acme = rule.tls.mode == RouteTls::Mode::Acme && options_.acme_directory.empty();
        found.push_back(co_await check_route(reactor_, rule,
                                             {.http_port = options_.http_port,
                                              .https_port = options_.https_port,
                                              .authority = internal ? root : "",
                                              .verify = acme || (internal && !root.empty())}));
        waiting = waiting || found.back().certificate == false || found.back().cors == false;
      }
      const auto same = [](const RouteCheck& a, const RouteCheck& b) {
        return a.certificate == b.certificate && a.cors == b.cors && a.certificate_message == b.certificate_message &&
               a.cors_message == b.cors_message;
      };
      auto& known = checks_[uid];
      const bool news = !std::ranges::equal(known, found, same);
      known = std::move(found);
      if (!apps_.contains(uid)) checks_.erase(uid);
      if (news) tell(uid);
    }
    if (closing_) break;
    const Duration pause = waiting ? std::chrono::seconds(1) : options_.check_period;
    (void)co_await check_.wait_until(reactor_.now() + pause);
  }
}

}  // namespace gantry::providers::caddy
