#include "controller/agent/channels.hpp"

#include <set>

#include "controller/base/signal.hpp"
#include "providers/agent/wire.hpp"

namespace gantry::agent {

using providers::agent::success;
using providers::agent::to_json;

struct Channels::Channel {
  Channel(Reactor& reactor, std::string name) : id(std::move(name)), news(reactor) {}
  std::string id;
  Signal news;
  std::set<std::string> changed;  // owners
  bool greeted = false;
  bool closed = false;
};

class Channels::Stream final : public api::BodyStream {
 public:
  Stream(Channels& channels, std::shared_ptr<Channel> channel)
      : channels_(channels), alive_(channels.alive_), channel_(std::move(channel)) {}
  ~Stream() override { close(); }

  Task<std::vector<api::Piece>> next() override {
    std::vector<api::Piece> pieces;
    if (alive_.expired()) co_return pieces;
    std::string line = co_await channels_.next(channel_);
    if (!line.empty()) pieces.emplace_back(line + "\n");
    co_return pieces;
  }
  void close() override {
    if (!alive_.expired()) channels_.close(channel_->id);
  }

 private:
  Channels& channels_;
  std::weak_ptr<bool> alive_;
  std::shared_ptr<Channel> channel_;
};

Channels::Channels(Reactor& reactor, providers::WorkloadHost& host, Random& random, std::string version,
                   Duration heartbeat)
    : reactor_(reactor),
      host_(host),
      random_(random),
      version_(std::move(version)),
      heartbeat_(heartbeat),
      epoch_(random.hex(8)) {
  host_.on_change([this, alive = std::weak_ptr(alive_)](const std::string& owner) {
    if (alive.expired()) return;
    ++sequence_;
    for (auto& [id, channel] : open_) {
      channel->changed.insert(owner);
      channel->news.notify_all();
    }
  });
}

Channels::~Channels() = default;

std::unique_ptr<api::BodyStream> Channels::open(const std::string& replaces) {
  close(replaces);
  auto channel = std::make_shared<Channel>(reactor_, random_.hex(8));
  open_.emplace(channel->id, channel);
  return std::make_unique<Stream>(*this, std::move(channel));
}

void Channels::close(const std::string& id) {
  const auto known = open_.find(id);
  if (known == open_.end()) return;
  const auto channel = known->second;
  open_.erase(known);
  channel->closed = true;
  channel->news.notify_all();
}

Task<std::string> Channels::next(std::shared_ptr<Channel> channel) {
  if (!channel->greeted && !channel->closed) {
    channel->greeted = true;
    channel->changed.clear();
    json::Array instances;
    for (const auto& each : co_await host_.list("")) instances.push_back(to_json(each));
    co_return success({{"type", "snapshot"},
                       {"channel", channel->id},
                       {"epoch", epoch_},
                       {"version", version_},
                       {"sequence", sequence_},
                       {"instances", std::move(instances)}});
  }
  const Instant deadline = reactor_.now() + heartbeat_;
  while (channel->changed.empty() && !channel->closed) {
    if (!co_await channel->news.wait_until(deadline)) break;
  }
  if (channel->closed) co_return std::string();
  if (channel->changed.empty()) co_return success({{"type", "heartbeat"}});
  const std::string owner = *channel->changed.begin();
  channel->changed.erase(channel->changed.begin());
  json::Array instances;
  for (const auto& each : co_await host_.list(owner)) instances.push_back(to_json(each));
  co_return success(
      {{"type", "change"}, {"owner", owner}, {"sequence", sequence_}, {"instances", std::move(instances)}});
}

}  // namespace gantry::agent
