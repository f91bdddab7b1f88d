// Containers of this machine's Docker as a WorkloadHost.
//
// A container is known by its labels: the instance's id, and the id of this host (of its data folder), so that two
// controllers on one machine leave each other's containers alone. Before one is made, the intent lies in DIR/containers
// and a container with the label is looked for: so a repeated start makes no twin. Memory follows Docker's events;
// after each gap in them everything is listed again. While Docker does not answer, what is known stays known: nothing
// is forgotten because nobody was there to ask.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/docker_engine.hpp"
#include "providers/local/ports.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

class DockerHost final : public WorkloadHost {
 public:
  struct Options {
    std::string folder;  // holds containers/
    std::string host_id;
    std::string socket_path = "/var/run/docker.sock";
    bool reachable = false;  // published ports are open to other machines, pinned or not
  };

  DockerHost(Reactor& reactor, Blocking& blocking, PortBook& ports, Options options);
  ~DockerHost() override;

  // Finds again what was started here. Does not need Docker to answer, and does not ask it when it was never used.
  Task<> open();
  // Containers go on. Nothing may be called afterwards.
  Task<> close();

  Task<std::vector<Instance>> list(std::string owner_uid) override;
  Task<Instance> start(InstanceSpec spec) override;
  Task<> stop(std::string id) override;
  Task<> remove(std::string id, bool logs_too) override;
  Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) override;
  Task<std::string> log_tail(std::string id, std::size_t lines) override;
  // The digest: "name@sha256:..." of the registry when it is known, else "sha256:..." of the image here.
  Task<std::string> ensure_image(std::string reference) override;
  Task<std::vector<InstanceUsage>> usage(std::string owner_uid) override;
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

  bool knows(const std::string& id) const { return held_.contains(id); }

 private:
  struct Held;
  using HeldPtr = std::shared_ptr<Held>;

  std::string intent_path(const std::string& id) const { return containers_ + "/" + id + ".json"; }
  // There while a stop that was asked for is not done: after our own restart it is asked for again.
  std::string stop_path(const std::string& id) const { return containers_ + "/" + id + ".stop"; }
  std::string logs_folder(const std::string& id) const { return containers_ + "/" + id + ".logs"; }
  std::string filters(std::string_view key, std::string_view value) const;
  HeldPtr find(const std::string& id) const;
  void use_docker();
  Task<> follow(Gate::Pass pass);
  Task<> follow_once();
  Task<> handle(std::string_view line);
  Task<> list_all();
  Task<> look(std::string container_id);
  void adopt(const json::Value& container);
  void lose(const HeldPtr& held);
  void note_death(const HeldPtr& held, int exit_code);
  Task<> see_it_leave(HeldPtr held, Gate::Pass pass);
  std::vector<HeldPtr> leaving(const std::string& owner_uid, int slot) const;
  Task<> run(HeldPtr held, InstanceSpec spec);
  Task<> make_container(HeldPtr held, const InstanceSpec& spec);
  Task<> make_network(const InstanceSpec& spec);
  Task<> remove_network(std::string owner_uid);
  Task<> start_container(HeldPtr held);
  Task<> finish_start(HeldPtr held, Gate::Pass pass);
  void begin_stop(const HeldPtr& held);
  Task<> stop_container(HeldPtr held, Gate::Pass pass);
  Task<> keep_logs(const HeldPtr& held);
  Task<> forget(HeldPtr held);
  Task<> settle(HeldPtr held);
  void tell(const Held& held);

  Reactor& reactor_;
  Blocking& blocking_;
  PortBook& ports_;
  Options options_;
  std::string containers_;
  DockerEngine engine_;
  std::map<std::string, HeldPtr> held_;
  std::set<std::string> unfinished_stops_;  // of an earlier controller; by instance
  std::vector<OnChange> listeners_;
  bool used_ = false;
  bool closing_ = false;
  bool was_reachable_ = true;
  std::unique_ptr<http::ResponseStream> events_;
  Signal wake_;
  Gate gate_;
  log::Logger log_{"docker-host"};
};

}  // namespace gantry::providers::local
