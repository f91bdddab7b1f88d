// Another machine, through its agent, as a WorkloadHost.
//
// What runs there is remembered: the agent's channel brings a snapshot, then each change. While the channel is silent
// nothing is forgotten and nothing is begun: list() says what was last known, marked as in doubt; what would change
// something throws Error(Unavailable) at once. After each gap the snapshot is compared with memory, so nothing that
// happened in between is missed.
//
// Only what may be repeated is: start() names an id that starts nothing twice, and names the channel, so that a start
// which was given up cannot happen later (controller/agent/channels.hpp).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/log.hpp"
#include "controller/base/random.hpp"
#include "controller/base/signal.hpp"
#include "controller/base/unix_transport.hpp"
#include "providers/builder.hpp"
#include "providers/host_directory.hpp"

namespace gantry::providers::agent {

class RemoteHost final : public WorkloadHost, public ImageCarrier, public std::enable_shared_from_this<RemoteHost> {
 public:
  struct Options {
    Duration silence = std::chrono::seconds(15);  // three heartbeats: then the agent counts as unreachable
    Duration connect = std::chrono::seconds(10);
    Duration call = std::chrono::seconds(30);
    Duration start = std::chrono::seconds(90);
    Duration pull = std::chrono::minutes(15);
    Duration upload = std::chrono::minutes(15);
    Duration retry_first = std::chrono::milliseconds(200);  // doubling, with jitter
    Duration retry_longest = std::chrono::seconds(10);
    Duration close = std::chrono::seconds(3);
    Duration key_overlap = std::chrono::hours(1);
    Duration tunnel = std::chrono::seconds(30);  // how often it is asked where its tunnel ends
  };

  // Throws Error(Invalid) for an endpoint that cannot be used.
  RemoteHost(Reactor& reactor, Blocking& blocking, Random& random, std::string server, AgentEndpoint endpoint,
             Options options);
  ~RemoteHost() override;

  // Begins to follow. Call once, on a shared_ptr.
  void open();
  // Whoever waits gets Error(Cancelled). Nothing may be called afterwards. Twice is fine.
  Task<> close();

  // Knows from now on what the other knew: it was the same machine, asked in another way. Before open().
  void take_over(const RemoteHost& before);
  // The connection is most likely dead, although nobody said so: makes a new one, at once.
  void reconnect();
  // To everybody who listens, about everything that runs there.
  void tell_all();

  const AgentEndpoint& endpoint() const { return endpoint_; }
  const AgentContact& contact() const { return contact_; }
  void on_contact(std::function<void()> callback) { on_contact_ = std::move(callback); }
  Task<json::Value> health();
  Task<json::Value> ask(std::string path, json::Value body, Duration limit);
  // What its GET /health says of it afterwards.
  Task<json::Value> keep_awake(bool keep);

  // Begins the build, or says how it goes: as Builder::look(), but a failed one is thrown, with retry_after. The code
  // is sent when the agent does not have it.
  Task<BuildState> build(BuildSpec spec);
  // Of that owner, other than under that key (empty: all).
  Task<> end_builds(std::string owner_uid, std::string but_key);
  Task<std::unique_ptr<LogReader>> build_log(std::string owner_uid, bool follow);
  // Removes there what nothing needs: code by digest, and as Builder::sweep().
  Task<> prune(std::set<std::string> code, Needed needed, Duration younger, Duration unused);
  Task<bool> has_image(std::string image) override;
  Task<std::string> pull_image(std::string reference) override { return ensure_image(std::move(reference)); }
  Task<std::unique_ptr<LogReader>> save_image(std::string image) override;
  Task<> load_image(std::function<Task<std::string>()> more) override;
  // Not asked while the agent does not answer: then nothing is known. Never throws.
  Task<ProbeResult> probe(ProbeSpec spec);

  Task<std::vector<Instance>> list(std::string owner_uid) override;
  Task<Instance> start(InstanceSpec spec) override;
  Task<> stop(std::string id) override;
  Task<> remove(std::string id, bool logs_too) override;
  Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) override;
  Task<std::string> log_tail(std::string id, std::size_t lines) override;
  Task<std::string> ensure_image(std::string reference) override;
  // Nothing while the agent does not answer: what is not measured is not in the answer.
  Task<std::vector<InstanceUsage>> usage(std::string owner_uid) override;
  void must_know(const std::string& server) const override;
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

  bool knows(const std::string& id) const { return held_.contains(id); }
  // An instance of that App, or build, is there.
  bool holds(const std::string& owner_uid) const;

 private:
  struct Held {
    Instance instance;
    std::int64_t sequence = 0;
  };

  static Task<> follow(std::shared_ptr<RemoteHost> self, Gate::Pass pass);
  Task<> follow_once();
  Task<> follow_channel();
  void hear(std::string_view line);
  void hear_snapshot(const json::Value& data);
  void hear_change(const json::Value& data);
  void learn(const json::Value& instance, std::int64_t sequence);
  void replace(std::string_view owner, const json::Value& instances, std::int64_t sequence,
               std::set<std::string>& told);
  void watch_silence();
  void lose(const Error& error);
  Task<> announce_key();
  static Task<> learn_tunnel(std::shared_ptr<RemoteHost> self, Gate::Pass pass);
  void use_tunnel(std::optional<TunnelWay> way, std::string none_because);
  Instance placed(Instance instance) const;
  void tell(const std::string& owner);

  http::Request request(std::string method, std::string path, Duration timeout, std::string body = {}) const;
  // Throws Error(Unavailable) or Error(Timeout) when no answer came: the call may have had its effect.
  Task<http::Response> send(std::string method, std::string path, Duration timeout, json::Value body = {});
  Task<json::Value> call(std::string method, std::string path, Duration timeout, json::Value body = {});
  Task<http::Response> send_start(const json::Value& spec);
  Task<std::unique_ptr<LogReader>> open_log(std::string path);
  // Sends the staged code when the agent does not have it.
  Task<> bring_code(std::string folder, std::string digest, std::string app);
  // For what changes something.
  void must_be_connected() const;
  Error unreachable() const;

  Reactor& reactor_;
  Blocking& blocking_;
  Random& random_;
  std::string server_;
  AgentEndpoint endpoint_;
  Options options_;
  std::unique_ptr<tls::Context> tls_;
  http::Pool pool_;
  AgentContact contact_;
  std::function<void()> on_contact_;
  std::vector<OnChange> listeners_;

  std::map<std::string, Held> held_;
  std::string channel_;
  std::string epoch_;
  std::unique_ptr<http::ResponseStream> stream_;
  Instant heard_{};
  std::optional<TunnelWay> tunnel_;
  std::string plain_because_;
  Instant tunnel_due_{};
  bool old_key_ = false;  // the agent knows only the previous one yet
  unsigned failures_ = 0;
  bool silence_ended_it_ = false;
  bool closing_ = false;
  Clock::TimerId silence_timer_ = 0;
  Signal wake_;
  Gate gate_;
  log::Logger log_{"remote-host"};
};

}  // namespace gantry::providers::agent
