// What is served is changed: by one App, or by all who ask while Caddy is busy with another change. Each load starts
// Caddy's whole configuration anew, so twenty Apps that come at once cost two loads and not twenty.
#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/caddy/caddy_router.hpp"
#include "providers/caddy/route_conflict.hpp"

namespace gantry::providers::caddy {
namespace {

const log::Logger kLog("proxy");

constexpr Duration kAskAgain = std::chrono::milliseconds(20);
constexpr Duration kControlTimeout = std::chrono::seconds(5);
constexpr Duration kLoadTimeout = std::chrono::seconds(30);
constexpr int kAttempts = 5;

// {"error": "..."} as Caddy's admin API answers.
std::string caddy_message(const http::Response& response) {
  try {
    const std::string text = json::parse(response.body).string_or("error");
    if (!text.empty()) return log::redacted(text);
  } catch (const Error&) {  // not JSON: as it is
  }
  return log::redacted(response.body.substr(0, 2048));
}

}  // namespace

struct CaddyRouter::Wish {
  AppRoutes routes;
  std::string hash;
  bool new_rules = false;
  bool done = false;
  std::optional<Error> failure;
};

// After each load Caddy opens its admin endpoint anew and closes connections of before, also those on which a request
// is just arriving. Everything we ask it may be asked twice.
Task<http::Response> CaddyRouter::ask_caddy(http::Request request) {
  request.headers.emplace_back("Connection", "close");
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    http::Response response;
    try {
      response = co_await admin_.send(request);
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) co_return response;
    if (failure->code() != ErrorCode::Unavailable || attempt == kAttempts) throw *failure;
    co_await sleep_for(reactor_, kAskAgain);
  }
}

Task<> CaddyRouter::load(const AllRoutes& apps) {
  while (true) {
    http::Request request{.method = "POST",
                          .url = "/load",
                          .headers = {{"Content-Type", "application/json"}},
                          .body = json::dump(render_caddy(apps, caddy_options())),
                          .timeout = kLoadTimeout};
    const http::Response response = co_await ask_caddy(std::move(request));
    ++loads_;
    if (response.status == 200) co_return;
    const std::string why = caddy_message(response);
    // Known from 2.7 on; refusing a configuration changes nothing, so asking is how to find out.
    if (stream_close_delay_ && why.find("stream_close_delay") != std::string::npos) {
      stream_close_delay_ = false;
      continue;
    }
    throw Error(response.status < 500 ? ErrorCode::Invalid : ErrorCode::Unavailable,
                "Caddy refuses the configuration: " + why);
  }
}

// Read when Caddy starts, before anybody knows its version: what every version understands.
Task<> CaddyRouter::write_caddy_file() {
  CaddyOptions options = caddy_options();
  options.stream_close_delay = false;
  co_await write("caddy.json", json::dump_pretty(render_caddy(apps_, options), 1));
}

Task<> CaddyRouter::tell_relay(relay::Config config) {
  http::Request request{.method = "PUT",
                        .url = "/config",
                        .headers = {{"Content-Type", "application/json"}},
                        .body = json::dump(relay::to_json(config)),
                        .timeout = kControlTimeout};
  const http::Response response = co_await control_.send(std::move(request));
  if (response.status != 200)
    throw Error(ErrorCode::Internal, "the relay refuses its configuration: " + response.body.substr(0, 500));
}

// Whoever has the turn serves all that wait for it.
Task<> CaddyRouter::set(AppRoutes routes) {
  const auto wish = std::make_shared<Wish>(Wish{.routes = std::move(routes), .hash = {}, .failure = {}});
  wishes_.push_back(wish);
  co_await take_turn();
  const Turn turn(*this);
  if (!wish->done) co_await serve(std::exchange(wishes_, {}));
  if (wish->failure) throw *wish->failure;
}

Task<> CaddyRouter::serve(std::vector<WishPtr> wishes) {
  std::optional<Error> failure;
  try {
    co_await serve_all(wishes);
  } catch (const Error& error) {
    failure = error;
  }
  for (const auto& wish : wishes) {
    if (std::exchange(wish->done, true) || !failure) continue;
    wish->failure = failure;
  }
}

Task<> CaddyRouter::serve_all(const std::vector<WishPtr>& wishes) {
  for (const auto& wish : wishes) {
    AppRoutes& routes = wish->routes;
    const auto before = apps_.find(routes.app_uid);
    if (std::exchange(routes.keep_rules, false)) {
      wish->done = before == apps_.end();
      if (!wish->done) routes.rules = before->second.rules;
    }
    wish->hash = rules_hash(routes);
    wish->new_rules = !wish->done && (before == apps_.end() || rules_hash(before->second) != wish->hash);
    if (!wish->done) waiting_.insert(routes.app_uid);
  }
  const bool up = co_await bring_up();
  if (!up) throw Error(ErrorCode::Unavailable, down_);

  AllRoutes wanted = apps_;
  std::set<std::string> changed;  // whose files are to be written
  bool must_load = false;
  for (const auto& wish : wishes) {
    if (wish->done) continue;
    waiting_.erase(wish->routes.app_uid);
    if (wish->new_rules) claim(*wish, wanted, changed);
    must_load = must_load || (wish->new_rules && !wish->failure);
    put(*wish, wanted);
    changed.insert(wish->routes.app_uid);
  }
  std::optional<Error> refused;
  if (must_load) {
    // The relay knows the new names before Caddy does, and the old ones for as long as Caddy does.
    relay::Config both = relay_config(wanted);
    for (const auto& [key, route] : relay_config(apps_).routes) both.routes.try_emplace(key, route);
    co_await tell_relay(std::move(both));
    try {
      co_await load(wanted);
    } catch (const Error& error) {
      refused = error;
    }
  }
  if (refused && wishes.size() > 1) {
    // One of them spoils it for all: each for itself.
    for (const auto& wish : wishes) {
      wish->failure.reset();
      std::vector<WishPtr> alone{wish};
      if (!wish->done) co_await serve(std::move(alone));
    }
    co_return;
  }
  if (refused) {
    Wish& wish = *wishes.front();
    wish.failure = refused;
    if (refused->code() == ErrorCode::Invalid) problems_[wish.routes.app_uid] = {wish.hash, refused->message(), {}};
    wanted = apps_;
    changed = {wish.routes.app_uid};
    put(wish, wanted);
  }
  for (const auto& wish : wishes) {
    if (wish->new_rules && !wish->failure) problems_.erase(wish->routes.app_uid);
  }
  apps_ = std::move(wanted);
  co_await tell_relay(relay_config(apps_));
  look_now();  // whether a tunnel opens is soon known
  for (const auto& uid : changed) {
    if (const auto now = apps_.find(uid); now != apps_.end())
      co_await write("apps/" + uid + ".json", json::dump(to_json(now->second)));
  }
  co_await write("relay.json", json::dump(relay::to_json(relay_config(apps_))));
  co_await write_caddy_file();
  for (const auto& wish : wishes) {
    if (wish->new_rules && !wish->failure) free_rivals_of(wish->routes.app_uid);
  }
  check_.notify_all();
}

// Into what is to be served. Of a wish that is refused only who serves is new, under the names of before.
void CaddyRouter::put(const Wish& wish, AllRoutes& wanted) const {
  const std::string& uid = wish.routes.app_uid;
  const auto before = apps_.find(uid);
  if (wish.failure && before == apps_.end()) {
    wanted.erase(uid);
    return;
  }
  AppRoutes& routes = wanted[uid];
  const auto rules = wish.failure ? before->second.rules : wish.routes.rules;
  routes = wish.routes;
  routes.rules = rules;
}

// Admission refuses the second App that asks for a route, but two that come in the same instant do not see each other.
// The older one has it then, whichever was served first.
void CaddyRouter::claim(Wish& wish, AllRoutes& wanted, std::set<std::string>& changed) {
  for (auto& [uid, other] : wanted) {
    if (uid == wish.routes.app_uid) continue;
    const auto conflict = find_conflict(wish.routes, other);
    if (!conflict || !is_older(other, wish.routes)) continue;
    wish.failure = Error(ErrorCode::Invalid, *conflict);
    problems_[wish.routes.app_uid] = {wish.hash, *conflict, uid};
    return;
  }
  for (auto& [uid, other] : wanted) {
    if (uid == wish.routes.app_uid || !yield_rules(other, wish.routes)) continue;
    kLog.warn("a route goes to the older App that asks for it",
              {{"from", other.app_namespace + "/" + other.app_name},
               {"to", wish.routes.app_namespace + "/" + wish.routes.app_name}});
    changed.insert(uid);
    tell(uid);
  }
}

// The rules of this App have changed or gone: who was refused for its sake may ask again.
void CaddyRouter::free_rivals_of(const std::string& uid) {
  std::vector<std::string> freed;
  for (const auto& [rival, problem] : problems_) {
    if (problem.held_by == uid) freed.push_back(rival);
  }
  for (const auto& rival : freed) {
    problems_.erase(rival);
    tell(rival);
  }
}

Task<> CaddyRouter::remove(std::string app_uid) {
  co_await take_turn();
  const Turn turn(*this);
  problems_.erase(app_uid);
  waiting_.erase(app_uid);
  checks_.erase(app_uid);
  if (!apps_.contains(app_uid)) {
    if (nobody()) co_await end_processes();
    co_return;
  }
  AllRoutes left = apps_;
  left.erase(app_uid);
  if (!left.empty()) {
    const bool up = co_await bring_up();
    if (up) co_await load(left);
    if (up) co_await tell_relay(relay_config(left));
  }
  // First the file: killed here, the next start serves what is left.
  co_await blocking_.run(reactor_, [file = path("apps/" + app_uid + ".json")] { files::remove_file(file); });
  apps_ = std::move(left);
  co_await write("relay.json", json::dump(relay::to_json(relay_config(apps_))));
  co_await write_caddy_file();
  free_rivals_of(app_uid);
  if (nobody()) co_await end_processes();
}

}  // namespace gantry::providers::caddy
