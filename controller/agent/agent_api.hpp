// What an agent answers: a table of operations. Each is a few lines that read a request, call the host, and put what it
// says into an envelope (providers/agent/wire.hpp). The logic is in providers/local, the same that runs inside a
// controller for its own machine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/agent/agent_keys.hpp"
#include "controller/agent/awake.hpp"
#include "controller/agent/channels.hpp"
#include "controller/agent/tunnel_keeper.hpp"
#include "controller/api/handler.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/json.hpp"
#include "controller/base/signal.hpp"
#include "providers/builder.hpp"
#include "providers/local/code.hpp"
#include "providers/local/machine_usage.hpp"
#include "providers/workload_host.hpp"

namespace gantry::agent {

class AgentApi final : public api::Handler {
 public:
  struct Parts {
    Reactor& reactor;
    Blocking& blocking;
    providers::WorkloadHost& host;
    AgentKeys& keys;
    Channels& channels;
    providers::local::CodeStore& code;
    providers::Builder& builder;
    providers::ImageCarrier& images;
    Awake& awake;
    std::string data_dir;
    std::string docker_socket;
    std::string version;
    // Ends this process for its successor. Absent: nobody stands above it who could take that back.
    std::function<void()> on_upgrade;
    TunnelKeeper* tunnel = nullptr;  // absent: plain HTTP is spoken here
  };
  explicit AgentApi(Parts parts);

  Task<api::HttpResponse> handle(api::HttpRequest request) override;
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override;
  api::HttpResponse refuse(int status, const Error& error) override;

 private:
  struct Call;
  struct Operation;
  static const std::vector<Operation>& operations();
  Task<api::HttpResponse> answer(Call call);

  Task<api::HttpResponse> ping(Call call);
  Task<api::HttpResponse> health(Call call);
  Task<api::HttpResponse> events(Call call);
  Task<api::HttpResponse> rotate_key(Call call);
  Task<api::HttpResponse> keep_awake(Call call);
  Task<api::HttpResponse> tunnel(Call call);

  Task<api::HttpResponse> list(Call call);
  Task<api::HttpResponse> show(Call call);
  Task<api::HttpResponse> run(Call call);
  Task<api::HttpResponse> stop(Call call);
  Task<api::HttpResponse> restart(Call call);
  Task<api::HttpResponse> remove(Call call);
  Task<api::HttpResponse> logs(Call call);
  Task<api::HttpResponse> log_tail(Call call);
  Task<api::HttpResponse> stats(Call call);
  Task<api::HttpResponse> probe(Call call);
  Task<api::HttpResponse> pull(Call call);

  Task<api::HttpResponse> find_code(Call call);
  Task<api::HttpResponse> upload(Call call);
  Task<api::HttpResponse> git_clone(Call call);
  Task<api::HttpResponse> prune(Call call);
  Task<api::HttpResponse> upgrade(Call call);
  Task<api::HttpResponse> build(Call call);
  Task<api::HttpResponse> end_builds(Call call);
  Task<api::HttpResponse> build_log(Call call);
  Task<api::HttpResponse> find_image(Call call);
  Task<api::HttpResponse> save_image(Call call);
  Task<api::HttpResponse> load_image(Call call);

  void place_code(providers::InstanceSpec& spec) const;
  Task<providers::Instance> find(std::string id);
  void check_channel(const Call& call) const;

  Parts parts_;
  providers::local::MachineUsage usage_;
  Instant born_;
  std::string uploads_;
  bool upgrading_ = false;
  bool cloning_ = false;
  Signal cloned_;
};

}  // namespace gantry::agent
