#include "controller/deploy/event_log.hpp"

#include <charconv>

#include "controller/base/log.hpp"

namespace gantry::deploy {
namespace {

constexpr Duration kHeartbeat = std::chrono::seconds(15);
constexpr std::size_t kEventsKept = 20'000;

json::Value redacted(json::Value value) {
  if (value.is_string()) return log::redacted(value.as_string());
  if (value.is_array()) {
    for (auto& one : value.as_array()) one = redacted(std::move(one));
  }
  if (value.is_object()) {
    for (auto& [name, one] : value.as_object()) one = redacted(std::move(one));
  }
  return value;
}

}  // namespace

class EventLog::Stream final : public api::BodyStream {
 public:
  Stream(std::shared_ptr<EventLog> log, std::size_t after) : log_(std::move(log)), next_(after) {}

  Task<std::vector<api::Piece>> next() override {
    const auto log = log_;
    const Instant silent_until = log->reactor_.now() + kHeartbeat;
    while (!closed_ && next_ >= log->forgotten_ + log->frames_.size() && !log->over_) {
      if (!co_await log->changed_.wait_until(silent_until)) break;
    }
    std::vector<api::Piece> pieces;
    if (closed_) co_return pieces;
    next_ = std::max(next_, log->forgotten_);
    for (; next_ < log->forgotten_ + log->frames_.size(); ++next_)
      pieces.emplace_back(log->frames_[next_ - log->forgotten_]);
    if (pieces.empty() && !log->over_) pieces.emplace_back(std::string(": still at it\n\n"));
    co_return pieces;
  }
  void close() override {
    closed_ = true;
    log_->changed_.notify_all();
  }

 private:
  std::shared_ptr<EventLog> log_;
  std::size_t next_;
  bool closed_ = false;
};

void EventLog::say(std::string message, json::Object more) {
  if (over_) return;
  json::Object event{
      {"type", "log"}, {"message", std::move(message)}, {"ts", format_micro_time(reactor_.clock().wall())}};
  for (auto& [name, value] : more) event.set(name, std::move(value));
  add(redacted(std::move(event)));
}

void EventLog::done(bool success, json::Array servers, json::Object more) {
  if (over_) return;
  json::Object event{{"type", "done"}, {"success", success}, {"servers", std::move(servers)}};
  for (auto& [name, value] : more) event.set(name, std::move(value));
  result_ = redacted(std::move(event));
  ended_ = reactor_.now();
  over_ = true;
  add(result_);
}

void EventLog::add(const json::Value& event) {
  const std::size_t number = forgotten_ + frames_.size() + 1;
  frames_.push_back("data: " + json::dump(event) + "\n\nid: " + id_ + "-" + std::to_string(number) + "\n\n");
  if (frames_.size() > kEventsKept) {
    // A half at once: one by one would move them all each time.
    frames_.erase(frames_.begin(), frames_.begin() + kEventsKept / 2);
    forgotten_ += kEventsKept / 2;
  }
  changed_.notify_all();
}

std::unique_ptr<api::BodyStream> EventLog::stream(std::size_t after) {
  return std::make_unique<Stream>(shared_from_this(), after);
}

Task<> EventLog::wait() {
  const auto self = shared_from_this();
  while (!over_) co_await changed_.wait();
}

bool read_event_id(std::string_view text, std::string& run, std::size_t& number) {
  const auto dash = text.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return false;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data() + dash + 1, end, number).ptr != end || dash + 1 == text.size()) return false;
  run = text.substr(0, dash);
  return true;
}

}  // namespace gantry::deploy
