#include "reconcilers/provider/provider_reconciler.hpp"

#include "controller/base/metrics.hpp"
#include "providers/money.hpp"
#include "reconcilers/provider/traffic.hpp"

namespace gantry::reconcilers::provider {

struct ProviderSeen final : runtime::Seen {
  AccountRef ref;
  bool local = false;
  providers::Account facts;
  SweepPtr sweep;
  std::optional<providers::RateLimit> rate;
  Duration rest{};
  std::optional<Error> failure;  // the account does not answer
};

namespace {

constexpr Duration kSignInEvery = std::chrono::hours(1);
constexpr Duration kAfterFailure = std::chrono::seconds(15);
constexpr Duration kLookForAnswer = std::chrono::minutes(1);

json::Value usage_status(const Usage& usage) {
  json::Object status{{"servers", usage.servers},
                      {"cpu", std::to_string(usage.cpu_millis) + "m"},
                      {"memory", std::to_string(usage.memory_bytes >> 20) + "Mi"},
                      {"disk", std::to_string(usage.disk_bytes >> 30) + "Gi"}};
  if (usage.monthly) status.set("monthlyCost", to_string(*usage.monthly));
  return status;
}

void tell_traffic(const std::string& provider, const Traffic& traffic, json::Value& usage) {
  const auto gib = [](std::int64_t bytes) { return std::to_string(bytes >> 30) + "Gi"; };
  usage["egressPerMonth"] = gib(traffic.used);
  usage["egressProjected"] = gib(traffic.projected);
  if (traffic.included > 0) usage["egressIncluded"] = gib(traffic.included);
  if (traffic.untold > 0) usage["egressUntold"] = traffic.untold;
  const auto gauge = [&](const char* name, const char* help, std::int64_t bytes) {
    metrics::gauge(name, help, {{"provider", provider}}).set(static_cast<double>(bytes));
  };
  gauge("gantry_provider_egress_bytes", "Traffic to the outside in this calendar month.", traffic.used);
  gauge("gantry_provider_egress_projected_bytes", "The same by the month's end, if it goes on like that.",
        traffic.projected);
}

// To a tenth of what there is, and the end of the period to ten minutes: status is no place for a counter, and each
// write of it wakes everything that lives here.
json::Value rate_status(const providers::RateLimit& rate) {
  const std::int64_t step = std::max<std::int64_t>(1, rate.limit / 10);
  json::Object status{{"limit", rate.limit}, {"remaining", rate.remaining / step * step}};
  if (rate.remaining * 2 < rate.limit)
    status.set("reset", format_time(std::chrono::ceil<std::chrono::duration<int, std::ratio<600>>>(rate.reset)));
  return status;
}

// 2026-11
std::string month_name(WallTime now) { return format_time(now).substr(0, 7); }

}  // namespace

// The month in which somebody was last told that the limit of traffic is near: as the status says, so that a restart
// is no news, or as it is about to say.
std::string ProviderReconciler::warned(const runtime::Subject& subject) const {
  if (const auto known = warned_.find(subject.meta().uid); known != warned_.end()) return known->second;
  const json::Value* said = subject.json.at({"status", "usage", "egressWarned"});
  return said && said->is_string() ? said->as_string() : "";
}

Task<runtime::SeenPtr> ProviderReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<ProviderSeen>();
  if (subject.meta().deleting) co_return seen;
  keys_.insert_or_assign(subject.meta().uid, subject.key());
  seen->ref.spec = crds::decode_provider_spec(subject.json);
  seen->local = seen->ref.spec.type == crds::ProviderType::Local;
  if (seen->local) co_return seen;
  try {
    seen->ref = co_await accounts_.of(subject.key().ns, subject.key().name);
    if (seen->ref.account) {
      seen->rest = seen->ref.account->rest();
      co_await look(seen->ref.account, *seen);
      if (board_ && seen->ref.spec.limits)
        co_await post(subject.key().ns + "/" + subject.key().name, seen->ref.account, seen->sweep);
    }
  } catch (const Error& error) {  // tidy: that the account does not answer is what a Provider is there to say
    if (error.code() == ErrorCode::Cancelled) throw;
    seen->failure = error;
  }
  co_return seen;
}

Task<> ProviderReconciler::look(AccountPtr account, ProviderSeen& seen) {
  const Instant now = reactor_.now();
  seen.facts = co_await account->facts(kSignInEvery);
  seen.sweep = co_await account->sweep(now - seen.rest / 2);
  seen.rate = account->provider().rate_limit();
}

Task<> ProviderReconciler::post(std::string name, AccountPtr account, SweepPtr sweep) {
  auto posted = std::make_shared<Posted>();
  posted->catalogue = co_await account->catalogue();
  posted->usage = account->usage();
  posted->at = reactor_.clock().wall();
  for (const auto& server : sweep->inventory.servers) {
    if (server.mark) posted->owners.insert(server.mark->uid);
  }
  for (const auto& image : sweep->inventory.images) {
    if (image.mark) posted->owners.insert(image.mark->uid);
  }
  board_->post(name, std::move(posted));
}

runtime::Plan ProviderReconciler::plan(const runtime::Subject& subject, const runtime::Seen& what) {
  const auto& seen = static_cast<const ProviderSeen&>(what);
  runtime::Plan plan;
  // Of one that is only planned, whose account it is shows once it is there.
  if (subject.meta().deleting || seen.ref.absent || seen.local) return plan;
  if (!seen.ref.account && !seen.failure) {
    plan.blocked = true;
    plan.blocked_reason = seen.ref.problem_reason;
    plan.blocked_message = seen.ref.problem;
    if (plan.blocked_reason == "AccountChanged") plan.look_again = kLookForAnswer;
    return plan;
  }
  plan.look_again = seen.rest;
  if (seen.failure) {
    plan.blocked = true;
    plan.blocked_reason = traits(seen.failure->code()).reason;
    plan.blocked_message = seen.failure->message();
    plan.look_again = std::max<Duration>(kAfterFailure, seen.failure->retry_after.value_or(std::chrono::seconds(0)));
    return plan;
  }
  const WallTime now = reactor_.clock().wall();
  const auto traffic = traffic_of(seen.sweep->inventory, now);
  const auto warning = traffic ? traffic_warning(*traffic, seen.ref.spec.limits) : std::nullopt;
  if (warning && warned(subject) != month_name(now))
    plan.actions.push_back(
        {.verb = runtime::Action::Verb::Run, .type = "warning", .target = "egressPerMonth", .reason = *warning});
  return plan;
}

Task<> ProviderReconciler::act(const runtime::Subject& subject, const runtime::Seen&, const runtime::Action& action,
                               runtime::Notes& notes) {
  notes.note({true, "TrafficLimitNear", action.reason});
  warned_[subject.meta().uid] = month_name(reactor_.clock().wall());
  co_return;
}

runtime::Report ProviderReconciler::report(const runtime::Subject& subject, const runtime::Seen& what,
                                           const runtime::Plan& plan) {
  const auto& seen = static_cast<const ProviderSeen&>(what);
  runtime::Report report;
  if (seen.local) {
    report.conditions = {{"Ready", "True", "ThisMachine", "this machine is always there"}};
    return report;
  }
  if (plan.blocked) {
    // What was last known stays: above all, which account it was.
    if (const json::Value* before = subject.json.find("status")) report.status = *before;
    report.conditions = {{"Ready", "False", plan.blocked_reason, plan.blocked_message}};
    return report;
  }
  report.status["account"] = seen.facts.name;
  json::Array landmarks;
  for (auto& one : Account::landmarks(seen.sweep->inventory)) landmarks.emplace_back(std::move(one));
  report.status["identity"] = json::Object{
      {"account", seen.facts.id}, {"credentials", seen.ref.credentials}, {"landmarks", std::move(landmarks)}};
  if (seen.rate) report.status["rateLimit"] = rate_status(*seen.rate);
  const Usage usage = seen.ref.account->usage();
  report.status["usage"] = usage_status(usage);
  const WallTime now = reactor_.clock().wall();
  const auto traffic = traffic_of(seen.sweep->inventory, now);
  if (const std::string month = warned(subject); month == month_name(now))
    report.status["usage"]["egressWarned"] = month;
  if (traffic) tell_traffic(subject.key().ns + "/" + subject.key().name, *traffic, report.status["usage"]);
  if (!seen.facts.problem.empty()) {
    report.conditions = {{"Ready", "False", "AccountUnusable", seen.facts.problem}};
  } else {
    report.conditions = {{"Ready", "True", "AccountAnswers", "the account answers"}};
  }
  if (traffic) {
    report.conditions.push_back(traffic_condition(*traffic, seen.ref.spec.limits));
  } else if (auto untold = untold_traffic(seen.sweep->inventory, seen.ref.spec.limits)) {
    report.conditions.push_back(std::move(*untold));
  } else {
    report.withdrawn.emplace_back("TrafficWithinLimits");
  }
  return report;
}

void ProviderReconciler::forget(const std::string& uid) {
  warned_.erase(uid);
  if (const auto known = keys_.find(uid); known != keys_.end()) {
    accounts_.forget(known->second.ns, known->second.name);
    if (board_) board_->post(known->second.ns + "/" + known->second.name, nullptr);
    keys_.erase(known);
  }
}

}  // namespace gantry::reconcilers::provider
