// The push channel: a controller keeps one GET /events open, and hears of each change of an instance when it happens.
// Each line is an envelope. The first says who we are and what is here, so that nothing that happened before is missed:
//   {"type": "snapshot", "channel": "...", "epoch": "...", "version": "...", "instances": [...]}
//   {"type": "change", "owner": "<uid>", "instances": [...]}   all of that App's
//   {"type": "heartbeat"}                                      when nothing else was said for a while
// Each carries the sequence of what it saw, as the answers of calls do: the larger is the newer, whichever comes first.
// A slow reader is told the newest state of an App, not each state on the way, so nothing piles up.
//
// A channel also fences: a call that names a channel which is not open any more is refused. So what was sent before an
// agent stood still, and given up by its sender, does not happen when it goes on.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "controller/api/handler.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "providers/workload_host.hpp"

namespace gantry::agent {

class Channels {
 public:
  Channels(Reactor& reactor, providers::WorkloadHost& host, Random& random, std::string version,
           Duration heartbeat = std::chrono::seconds(5));
  ~Channels();

  // `replaces`: the channel that the same controller had before; it is closed.
  std::unique_ptr<api::BodyStream> open(const std::string& replaces);
  bool is_open(const std::string& id) const { return open_.contains(id); }
  std::size_t size() const { return open_.size(); }
  // Grows with each change.
  std::int64_t sequence() const { return sequence_; }
  // Another one after each start of this process.
  const std::string& epoch() const { return epoch_; }

 private:
  struct Channel;
  class Stream;
  Task<std::string> next(std::shared_ptr<Channel> channel);
  void close(const std::string& id);

  Reactor& reactor_;
  providers::WorkloadHost& host_;
  Random& random_;
  std::string version_;
  Duration heartbeat_;
  std::string epoch_;
  std::int64_t sequence_ = 1;
  std::map<std::string, std::shared_ptr<Channel>> open_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace gantry::agent
