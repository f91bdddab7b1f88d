#include "reconcilers/app/errands.hpp"

#include <algorithm>

namespace gantry::reconcilers::app {
namespace {

constexpr Duration kPauseFirst = std::chrono::seconds(1);
constexpr Duration kPauseLongest = std::chrono::minutes(1);

std::string_view doing(Errand::What what) {
  switch (what) {
    case Errand::What::Start:
      return "start";
    case Errand::What::Stop:
      return "stop";
    case Errand::What::Remove:
      return "remove the record of";
  }
  return "";
}

}  // namespace

std::string Errand::waits() const {
  return "Server " + server.substr(server.find('/') + 1) + " was asked at " + format_time(begun_wall) + " to " +
         std::string(doing(what)) + " " + target + ", and has not answered yet";
}

void Errands::begin(const std::string& owner_uid, Errand errand, Call call) {
  errand.begun = reactor_.now();
  errand.begun_wall = reactor_.clock().wall();
  Lane& lane = lanes_[owner_uid][errand.server];
  lane.errand = std::make_shared<Errand>(std::move(errand));
  reactor_.spawn(run(on_answer_, lane.errand, std::move(call), owner_uid));
}

Task<> Errands::run(std::weak_ptr<OnAnswer> listener, std::shared_ptr<Errand> errand, Call call,
                    std::string owner_uid) {
  try {
    errand->started = co_await call();
  } catch (const Error& error) {
    errand->failure = error;
  } catch (const std::exception& error) {
    errand->failure = Error(ErrorCode::Internal, std::string("unexpected: ") + error.what());
  }
  errand->answered = true;
  if (const auto told = listener.lock()) (*told)(owner_uid);
}

void Errands::take(const std::string& owner_uid, const std::string& server, const std::string& problem) {
  if (problem.empty()) {
    lanes_[owner_uid].erase(server);
    return;
  }
  Lane& lane = lanes_[owner_uid][server];
  lane.failed = lane.errand ? lane.errand->instance : std::string();
  lane.errand = nullptr;
  lane.problem = problem;
  const int doublings = std::min(lane.failures++, 10);
  lane.again_at = reactor_.now() + std::min<Duration>(kPauseLongest, kPauseFirst * (1LL << doublings));
}

Errands::View Errands::of(const std::string& owner_uid) const {
  View view;
  const auto look = [&](Duration after) { view.look_again = std::min(view.look_again.value_or(after), after); };
  const auto lanes = lanes_.find(owner_uid);
  if (lanes == lanes_.end()) return view;
  const Instant now = reactor_.now();
  for (const auto& [server, lane] : lanes->second) {
    if (!lane.problem.empty()) view.problems[server] = lane.problem;
    if (!lane.failed.empty()) view.failed.insert(lane.failed);
    if (lane.errand) {
      view.busy.insert(server);
      view.all.push_back(*lane.errand);
      if (!lane.errand->answered && lane.errand->begun + kSlow > now) look(lane.errand->begun + kSlow - now);
    } else if (lane.again_at > now) {
      view.busy.insert(server);
      look(lane.again_at - now);
    }
  }
  return view;
}

}  // namespace gantry::reconcilers::app
