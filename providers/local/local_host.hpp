// This machine: processes and containers behind one WorkloadHost, with one book of ports, and folders for volumes.
#pragma once

#include <memory>
#include <string>

#include "providers/local/docker_host.hpp"
#include "providers/local/process_host.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

class LocalHost final : public WorkloadHost {
 public:
  struct Options {
    std::string folder;  // the data folder: instances/, containers/, volumes/, releases/
    std::string supervisor_program = "/proc/self/exe";
    std::string docker_socket = "/var/run/docker.sock";
    bool reachable = false;  // who sends requests to what runs here is on another machine
  };

  LocalHost(Reactor& reactor, Blocking& blocking, Options options);
  ~LocalHost() override;

  // Finds again what runs here. Once, before anything else. Throws Error when the data folder cannot be used.
  Task<> open();
  // What runs goes on. Await it before the destructor.
  Task<> close();

  Task<std::vector<Instance>> list(std::string owner_uid) override;
  Task<Instance> start(InstanceSpec spec) override;
  Task<> stop(std::string id) override;
  Task<> remove(std::string id, bool logs_too) override;
  Task<std::unique_ptr<LogReader>> logs(std::string id, LogQuery query) override;
  Task<std::string> log_tail(std::string id, std::size_t lines) override;
  Task<std::string> ensure_image(std::string reference) override;
  Task<std::vector<InstanceUsage>> usage(std::string owner_uid) override;
  void on_change(OnChange callback) override;

  // What its containers are marked with. Known after open().
  const std::string& id() const { return id_; }
  // DIR/volumes/<namespace>/<app>/<name>. Error(Invalid) for names that would lead elsewhere.
  std::string volume_folder(const std::string& ns, const std::string& app, const std::string& name) const;

 private:
  WorkloadHost& host_of(const std::string& id);

  Reactor& reactor_;
  Blocking& blocking_;
  Options options_;
  PortBook ports_;
  std::string id_;
  std::unique_ptr<ProcessHost> processes_;
  std::unique_ptr<DockerHost> containers_;
  OnChange listener_;
};

}  // namespace gantry::providers::local
