// This machine and every Server with an agent, as one WorkloadHost: what is started says where (InstanceSpec::server),
// what is asked about is found where it is. And the directory in which those agents are kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "providers/agent/remote_host.hpp"
#include "providers/builder.hpp"
#include "providers/host_directory.hpp"

namespace gantry::providers::agent {

class HostSet final : public WorkloadHost, public HostDirectory {
 public:
  using LocalProbe = std::function<Task<ProbeResult>(ProbeSpec)>;
  // `here` must outlive the set.
  HostSet(Reactor& reactor, Blocking& blocking, Random& random, WorkloadHost& here, LocalProbe probe,
          RemoteHost::Options options);
  ~HostSet() override;
  Task<> close();

  // Images that were built on this machine are brought from there to the Servers that need them.
  void carry_images_from(ImageCarrier& workshop) { workshop_ = &workshop; }
  // This machine slept: to every agent a new connection, at once.
  void reconnect();
  // Throws Error(Unavailable) for one that is not kept.
  std::shared_ptr<RemoteHost> agent_of(const std::string& server) const { return get(server); }
  std::vector<std::shared_ptr<RemoteHost>> connected() const;

  // As a WorkloadHost.
  Task<std::vector<Instance>> list(std::string owner_uid) override;
  Task<Instance> start(InstanceSpec spec) override;
  Task<> stop(std::string id) override;
  Task<> remove(std::string id, bool logs_too) override;
  Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) override;
  Task<std::string> log_tail(std::string id, std::size_t lines) override;
  Task<std::string> ensure_image(std::string reference) override;
  void must_know(const std::string& server) const override;
  Task<std::vector<InstanceUsage>> usage(std::string owner_uid) override;
  void on_change(OnChange callback) override;

  // Where the instance is: its Server's agent asks, or this machine.
  Task<ProbeResult> probe(ProbeSpec spec);

  // An operation of that Server's agent, as docs/agent.md lists them: POST of that path; the answer's data. Throws what
  // the agent says.
  Task<json::Value> ask(std::string server, std::string path, json::Value body, Duration limit);

  // As a HostDirectory.
  void keep(const std::string& server, const AgentEndpoint& endpoint) override;
  bool keeps(const std::string& server, const AgentEndpoint& endpoint) const override;
  void forget(const std::string& server) override;
  std::optional<AgentContact> contact(const std::string& server) const override;
  std::shared_ptr<WorkloadHost> find_host(const std::string& server) const override;
  Task<json::Value> health(std::string server) override;
  Task<json::Value> keep_awake(std::string server, bool keep) override;
  void on_contact(std::function<void(const std::string& server)> callback) override;

 private:
  using RemotePtr = std::shared_ptr<RemoteHost>;
  RemotePtr find(const std::string& server) const;
  RemotePtr get(const std::string& server) const;
  Task<bool> bring_image(RemotePtr remote, std::string image);
  // Who has the instance; null: this machine, or nobody.
  RemotePtr holder_of(const std::string& id) const;
  static Task<> close_quietly(RemotePtr host);

  Reactor& reactor_;
  Blocking& blocking_;
  Random& random_;
  WorkloadHost& here_;
  LocalProbe probe_;
  ImageCarrier* workshop_ = nullptr;
  RemoteHost::Options options_;
  std::map<std::string, RemotePtr> remotes_;
  std::vector<OnChange> listeners_;
  std::vector<std::function<void(const std::string&)>> contact_listeners_;
};

}  // namespace gantry::providers::agent
