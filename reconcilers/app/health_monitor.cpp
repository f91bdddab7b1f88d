#include "reconcilers/app/health_monitor.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/base/wake_watch.hpp"

namespace gantry::reconcilers::app {

struct HealthMonitor::Watched {
  Watched(Reactor& reactor, std::string owner, HealthCheck c)
      : owner_uid(std::move(owner)),
        check(std::move(c)),
        changed(reactor),
        since(reactor.now()),
        lead(wall_lead(reactor)) {}
  std::string owner_uid;
  HealthCheck check;
  Signal changed;  // the check is another one, or the asking ends
  Instant since;
  bool ended = false;
  bool answered = false;
  Duration lead;  // of the wall clock, at the last answer
  Instant lenient_until{};
  Health health;
};

namespace {

// Until it is ready we ask often, whatever the period is: a rollout waits for it, and each pause is time lost. Every
// failure makes the pause longer, up to half a second.
constexpr Duration kFirstPause = std::chrono::milliseconds(50);
constexpr Duration kStartupPause = std::chrono::milliseconds(500);
constexpr Duration kNothingToAsk = std::chrono::seconds(1);

Health judged(const Health& before, const HealthCheck& check, const providers::ProbeResult& answer, Duration age) {
  Health health = before;
  if (answer.healthy) {
    const int successes = before.ready ? 0 : before.successes + 1;
    const bool ready = before.ready || !check.probe || successes >= check.successes_min;
    return {.ready = ready, .sick = false, .failures = 0, .successes = ready ? 0 : successes, .message = {}};
  }
  health.failures = before.failures + 1;
  health.successes = 0;
  health.message = answer.message;
  if (before.ready && health.failures >= check.failures_max) {
    health.ready = false;
    health.sick = true;
  }
  if (!before.ready && age > check.startup) {
    health.sick = true;
    health.message = "not ready within its startup time; last answer: " + answer.message;
  }
  return health;
}

}  // namespace

HealthMonitor::HealthMonitor(Reactor& reactor, Probe probe, OnChange on_change)
    : reactor_(reactor), probe_(std::move(probe)), on_change_(std::move(on_change)) {}

HealthMonitor::~HealthMonitor() {
  for (auto& [id, watched] : watched_) {
    watched->ended = true;
    watched->changed.notify_all();
  }
}

void HealthMonitor::watch(const std::string& owner_uid, const std::string& instance, const HealthCheck& check,
                          bool served) {
  auto& watched = watched_[instance];
  if (!watched) {
    watched = std::make_shared<Watched>(reactor_, owner_uid, check);
    watched->health.ready = served;
    reactor_.spawn(ask_for_ever(reactor_, probe_, on_change_, watched));
    return;
  }
  const auto same_probe = [](const HealthCheck& a, const HealthCheck& b) {
    if (a.probe.has_value() != b.probe.has_value()) return false;
    return !a.probe || (a.probe->server == b.probe->server && a.probe->kind == b.probe->kind &&
                        a.probe->port == b.probe->port && a.probe->path == b.probe->path);
  };
  const bool ask_now = !same_probe(watched->check, check) || watched->check.period > check.period;
  watched->check = check;
  if (ask_now) watched->changed.notify_all();
}

void HealthMonitor::keep_only(const std::string& owner_uid, const std::vector<std::string>& instances) {
  std::erase_if(watched_, [&](auto& entry) {
    auto& [id, watched] = entry;
    if (watched->owner_uid != owner_uid || std::find(instances.begin(), instances.end(), id) != instances.end())
      return false;
    watched->ended = true;
    watched->changed.notify_all();
    return true;
  });
}

std::optional<Health> HealthMonitor::find(const std::string& instance) const {
  const auto at = watched_.find(instance);
  if (at == watched_.end() || !at->second->answered) return std::nullopt;
  return at->second->health;
}

Task<> HealthMonitor::ask_for_ever(Reactor& reactor, Probe probe, OnChange on_change,
                                   std::shared_ptr<Watched> watched) {
  Duration pause = kFirstPause;
  while (!watched->ended) {
    const HealthCheck check = watched->check;
    if (!check.probe) {
      const Instant ready_at = watched->since + kNothingToAsk;
      if (reactor.now() < ready_at) {
        co_await watched->changed.wait_until(ready_at);
        continue;
      }
    }
    providers::ProbeResult answer{.healthy = true, .status = 0, .message = {}};
    if (check.probe) answer = co_await probe(*check.probe);
    if (watched->ended) co_return;
    const Duration slept = wall_lead(reactor) - std::exchange(watched->lead, wall_lead(reactor));
    if (slept >= kLeastSleep || !answer.asked) watched->lenient_until = reactor.now() + check.period;
    // Its host could not be asked, and that says nothing about it: what was known stays, and no time runs out.
    if (!answer.asked) {
      const Instant asked = reactor.now();
      co_await watched->changed.wait_until(asked + check.period);
      if (!watched->health.ready) watched->since += reactor.now() - asked;
      continue;
    }

    // Who was asleep, or away, has dead connections and cold caches for a moment: a failure straight afterwards is
    // none.
    if (!answer.healthy && watched->health.ready && reactor.now() < watched->lenient_until) {
      watched->health.failures = 0;
      co_await watched->changed.wait_until(watched->lenient_until);
      continue;
    }

    const Health before = watched->health;
    watched->health = judged(before, check, answer, reactor.now() - watched->since);
    const bool news = !watched->answered || before.ready != watched->health.ready ||
                      before.sick != watched->health.sick ||
                      (!watched->health.ready && before.message != watched->health.message);
    watched->answered = true;
    if (news) on_change(watched->owner_uid);

    pause = watched->health.ready           ? check.period
            : watched->health.successes > 0 ? kFirstPause
                                            : std::min({pause * 3 / 2, kStartupPause, check.period});
    if (check.probe) {
      co_await watched->changed.wait_until(reactor.now() + pause);
    } else {
      co_await watched->changed.wait();
    }
  }
}

}  // namespace gantry::reconcilers::app
