#include "providers/local/kept_process.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "controller/base/log.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::providers::local {
namespace {

const log::Logger kLog("proxy");

constexpr Duration kLongEnough = std::chrono::seconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(30);
constexpr std::size_t kLastLines = 20;
constexpr Duration kStartPatience = std::chrono::seconds(15);
constexpr Duration kAskAgain = std::chrono::milliseconds(20);
constexpr Duration kControlTimeout = std::chrono::seconds(5);

int number_of(const std::string& id) { return std::atoi(id.substr(id.rfind('-') + 1).c_str()); }

bool names_an_error(std::string_view line) {
  return line.starts_with("Error:") || line.contains(R"("level":"error")") || line.contains(R"("level":"fatal")");
}

}  // namespace

std::string_view telling_line(std::string_view said) {
  std::string_view last, error;
  while (!said.empty()) {
    const auto line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(said.size(), line.size() + 1));
    if (line.empty()) continue;
    last = line;
    if (names_an_error(line)) error = line;
  }
  return error.empty() ? last : error;
}

KeptProcess::KeptProcess(Reactor& reactor, WorkloadHost& host, Program program)
    : reactor_(reactor), host_(host), program_(std::move(program)) {}

// Oldest first.
Task<std::vector<Instance>> KeptProcess::mine() {
  std::vector<Instance> found;
  for (auto& one : co_await host_.list(std::string(kProxyOwner))) {
    if (one.release == program_.name) found.push_back(std::move(one));
  }
  std::ranges::sort(found, {}, [](const Instance& one) { return number_of(one.id); });
  co_return found;
}

Task<> KeptProcess::count_end(const Instance& last) {
  if (counted_ == last.id) co_return;
  counted_ = last.id;
  const bool quick = last.finished - last.started < kLongEnough;
  quick_failures_ = quick ? quick_failures_ + 1 : 1;
  const int doublings = std::min(quick_failures_ - 1, 10);
  const Duration pause = quick_failures_ <= 1
                             ? Duration::zero()
                             : std::min<Duration>(std::chrono::milliseconds(250) * (1 << doublings), kLongestPause);
  retry_at_ = reactor_.now() + pause;
  problem_ = program_.name + " " + last.exit_reason;
  const std::string said = co_await host_.log_tail(last.id, kLastLines);
  if (const auto line = telling_line(said); !line.empty()) problem_ += ": " + log::redacted(line);
  last_end_ = problem_;
  kLog.warn("a part of the proxy has ended", {{"program", program_.name}, {"reason", last.exit_reason}});
}

Task<bool> KeptProcess::ensure() {
  const auto all = co_await mine();
  if (!all.empty() && all.back().state != Instance::State::Exited && !all.back().stopping) {
    instance_ = all.back().id;
    problem_.clear();
    retry_at_.reset();
    co_return true;
  }
  instance_.clear();
  if (!all.empty() && all.back().state == Instance::State::Exited) co_await count_end(all.back());
  if (retry_at_ && reactor_.now() < *retry_at_) co_return false;
  std::optional<Error> failure;
  try {
    co_await start(all.empty() ? 1 : number_of(all.back().id) + 1);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    problem_ = program_.name + " cannot be started: " + failure->message();
    retry_at_ = reactor_.now() + kLongestPause;
    co_return false;
  }
  // The last one's log stays for whoever wants to know why it ended.
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i].state == Instance::State::Exited) co_await host_.remove(all[i].id, true);
  }
  co_return true;
}

Task<> KeptProcess::replace() {
  const auto all = co_await mine();
  co_await start(all.empty() ? 1 : number_of(all.back().id) + 1);
  for (const auto& one : all) {
    if (one.state == Instance::State::Exited) co_await host_.remove(one.id, true);
  }
}

Task<> KeptProcess::renew(http::UnixTransport& control, std::string state, std::string wanted) {
  const auto identity = [](const http::Response& told) { return json::parse(told.body).string_or("program"); };
  const std::string found = identity(co_await control.send({.url = state, .timeout = kControlTimeout}));
  if (wanted.empty() || found.empty() || found == wanted) co_return;  // one that does not say cannot hand over either
  kLog.info("a part of the proxy is of another binary; a new one takes its place",
            {{"program", program_.name}, {"instance", instance_}});
  co_await replace();
  const Instant until = reactor_.now() + kStartPatience;
  while (true) {
    std::string now;
    try {
      now = identity(co_await control.send({.url = state, .timeout = kControlTimeout}));
    } catch (const Error&) {  // between the two
    }
    if (now == wanted) co_return;
    const bool lives = co_await ensure();
    if (!lives || reactor_.now() > until)
      throw Error(ErrorCode::Unavailable, "the new " + program_.name + " did not take the place of the one before");
    co_await sleep_for(reactor_, kAskAgain);
  }
}

Task<> KeptProcess::start(int number) {
  InstanceSpec spec;
  spec.id = "proxy-" + program_.name + "-" + std::to_string(number);
  spec.owner_uid = kProxyOwner;
  spec.owner_namespace = "gantry";
  spec.owner_name = "proxy";
  spec.release = program_.name;
  spec.command = program_.command;
  spec.working_directory = program_.folder;
  for (const auto* name : {"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"}) spec.env.emplace_back(name, program_.folder);
  co_await host_.start(std::move(spec));
  instance_ = "proxy-" + program_.name + "-" + std::to_string(number);
  kLog.info("a part of the proxy was started", {{"program", program_.name}, {"instance", instance_}});
}

Task<> KeptProcess::end() {
  for (const auto& one : co_await mine()) {
    if (one.state == Instance::State::Exited) {
      co_await host_.remove(one.id, true);
    } else if (!one.stopping) {
      co_await host_.stop(one.id);
    }
  }
  instance_.clear();
  problem_.clear();
  retry_at_.reset();
}

}  // namespace gantry::providers::local
