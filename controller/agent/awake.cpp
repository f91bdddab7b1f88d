#include "controller/agent/awake.hpp"

#include <algorithm>

#include "controller/base/error.hpp"

namespace gantry::agent {
namespace {

constexpr Duration kLookAgain = std::chrono::minutes(1);  // somebody may have ended what holds it

}  // namespace

Awake::Awake(Reactor& reactor, Blocking& blocking, providers::WorkloadHost& host,
             std::unique_ptr<providers::local::SleepInhibitor> inhibitor)
    : reactor_(reactor),
      blocking_(blocking),
      host_(host),
      inhibitor_(std::move(inhibitor)),
      news_(std::make_shared<News>(reactor)),
      settled_(reactor),
      gate_(reactor) {
  // The host may live longer.
  host_.on_change([weak = std::weak_ptr(news_)](const std::string&) {
    if (const auto news = weak.lock()) news->tell();
  });
}

Task<> Awake::close() {
  wanted_ = false;
  news_->tell();
  co_await gate_.close();
  co_await blocking_.run(reactor_, [this] { inhibitor_->release(); });
}

json::Value Awake::about() const { return json::Object{{"wanted", wanted_}, {"held", held_}, {"problem", problem_}}; }

Task<> Awake::want(bool wanted) {
  wanted_ = wanted;
  if (wanted && !watching_) {
    watching_ = true;
    reactor_.spawn(watch(gate_.enter()));
  }
  news_->tell();
  co_await settle();
}

Task<> Awake::watch(Gate::Pass) {
  while (wanted_) {
    const std::uint64_t known = news_->count;
    co_await settle();
    if (news_->count == known) co_await news_->signal.wait_until(reactor_.now() + kLookAgain);
  }
  watching_ = false;
}

Task<> Awake::settle() {
  const auto pass = gate_.enter();
  while (settling_) co_await settled_.wait();
  settling_ = true;
  std::optional<Error> failure;
  try {
    const auto all = co_await host_.list("");
    const bool runs =
        std::ranges::any_of(all, [](const auto& one) { return one.state != providers::Instance::State::Exited; });
    const bool hold = wanted_ && runs;
    const bool before = held_;
    held_ = co_await blocking_.run(reactor_, [this, hold] {
      if (hold) inhibitor_->hold("Apps run here");
      if (!hold) inhibitor_->release();
      return inhibitor_->held();
    });
    if (held_ != before) log_.info(held_ ? "this host is kept awake" : "this host may sleep", {});
  } catch (const Error& error) {  // said in about(), and tried again
    failure = error;
  }
  if (failure) held_ = false;
  problem_ = failure ? failure->message() : "";
  settling_ = false;
  settled_.notify_all();
}

}  // namespace gantry::agent
