// An agent with all its parts (TLS, keys, channels, the real host) on the test's own reactor, and what a controller
// needs to speak to it.
#pragma once

#include "controller/agent/agent_api.hpp"
#include "controller/api/http/server.hpp"
#include "controller/base/files.hpp"
#include "controller/base/pki.hpp"
#include "providers/agent/remote_host.hpp"
#include "providers/local/local_host.hpp"
#include "providers/local/workshop.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::agent {

using providers::AgentEndpoint;
using providers::Instance;
using providers::InstanceSpec;
using providers::agent::RemoteHost;
using providers::local::Folder;
using providers::local::LocalHost;
using providers::local::Machine;
using providers::local::Workshop;

// Lets some answers be lost: what was asked for happens, and the connection ends without a word.
class Lossy final : public api::Handler {
 public:
  explicit Lossy(api::Handler& next) : next_(next) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override {
    const bool counts = request.path == path;
    api::HttpResponse response = co_await next_.handle(std::move(request));
    if (counts) ++asked;
    if (counts && lose > 0) {
      --lose;
      throw std::runtime_error("lost on purpose");
    }
    co_return response;
  }
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override { return next_.sink(request); }
  api::HttpResponse refuse(int status, const Error& error) override { return next_.refuse(status, error); }

  std::string path = "/containers/run";
  int lose = 0;
  int asked = 0;

 private:
  api::Handler& next_;
};

class AgentInProcess {
 public:
  AgentInProcess(Machine& machine, const std::string& folder)
      : machine_(machine),
        folder_(folder),
        pki_(folder + "/pki", system_clock()),
        serving_(pki_.serving(pki::serving_names("127.0.0.1"))) {}
  ~AgentInProcess() { stop(); }

  void start() {
    host = std::make_unique<LocalHost>(machine_.reactor, machine_.blocking,
                                       LocalHost::Options{.folder = folder_, .docker_socket = docker_socket});
    machine_.await(host->open());
    workshop =
        std::make_unique<Workshop>(machine_.reactor, machine_.blocking, *host,
                                   Workshop::Options{.folder = folder_, .docker_socket = docker_socket, .host_id = {}});
    machine_.await(workshop->open(host->id()));
    keys = std::make_unique<AgentKeys>(folder_ + "/agent.key", system_clock(), system_random());
    channels = std::make_unique<Channels>(machine_.reactor, *host, system_random(), "1.2.3", heartbeat);
    awake = std::make_unique<Awake>(machine_.reactor, machine_.blocking, *host,
                                    std::make_unique<providers::local::SleepInhibitor>(inhibitors));
    api_ = std::make_unique<AgentApi>(AgentApi::Parts{.reactor = machine_.reactor,
                                                      .blocking = machine_.blocking,
                                                      .host = *host,
                                                      .keys = *keys,
                                                      .channels = *channels,
                                                      .code = code_,
                                                      .builder = *workshop,
                                                      .images = *workshop,
                                                      .awake = *awake,
                                                      .data_dir = folder_,
                                                      .docker_socket = docker_socket,
                                                      .version = "1.2.3"});
    lossy = std::make_unique<Lossy>(*api_);
    api::http::ServerOptions options;
    options.port = port_;
    options.limits.streamed_bytes = 64 << 20;
    options.tls = tls::Context::Server{serving_.certificate, serving_.key, {}};
    server_ = std::make_unique<api::http::Server>(machine_.reactor, *lossy, *keys, options);
    server_->listen();
    port_ = server_->port();
  }
  // Instances go on.
  void stop() {
    if (!server_) return;
    machine_.await(server_->shutdown(std::chrono::milliseconds(100)));
    server_.reset();
    lossy.reset();
    api_.reset();
    machine_.await(awake->close());
    awake.reset();
    channels.reset();
    machine_.await(workshop->close());
    workshop.reset();
    machine_.await(host->close());
    host.reset();
    keys.reset();
  }

  std::string key() const {
    const std::string text = files::read_file(folder_ + "/agent.key");
    return text.substr(0, text.find_first_of(" \n"));
  }
  std::string pin() const { return pki::fingerprint_of(serving_.certificate); }
  AgentEndpoint endpoint() const {
    return {.url = "https://127.0.0.1:" + std::to_string(port_),
            .address = "10.0.0.5",
            .ca = pki_.authority_certificate(),
            .pin = {},
            .key = Secret(key()),
            .previous_key = {}};
  }

  Duration heartbeat = std::chrono::milliseconds(100);
  std::string docker_socket = "/nowhere/docker.sock";
  std::vector<std::string> inhibitors{"/nowhere/systemd-inhibit"};
  std::unique_ptr<LocalHost> host;
  std::unique_ptr<Workshop> workshop;
  std::unique_ptr<Awake> awake;
  std::unique_ptr<AgentKeys> keys;
  std::unique_ptr<Channels> channels;
  std::unique_ptr<Lossy> lossy;

 private:
  Machine& machine_;
  std::string folder_;
  pki::Folder pki_;
  pki::Credential serving_;
  std::uint16_t port_ = 0;
  providers::local::CodeStore code_{machine_.reactor, machine_.blocking, folder_};
  std::unique_ptr<AgentApi> api_;
  std::unique_ptr<api::http::Server> server_;
};

// Nothing that was started outlives its test.
inline void end_everything(Machine& machine, providers::WorkloadHost& host) {
  for (const auto& it : machine.await(host.list(""))) {
    machine.await(host.stop(it.id));
    machine.until([&] {
      for (const auto& now : machine.await(host.list(""))) {
        if (now.id == it.id) return now.state == Instance::State::Exited;
      }
      return true;
    });
    machine.await(host.remove(it.id, true));
  }
}

inline InstanceSpec shell(std::string script, std::string id = "web-1-0-0") {
  InstanceSpec spec;
  spec.id = std::move(id);
  spec.owner_uid = "uid-web";
  spec.owner_namespace = "prod";
  spec.owner_name = "web";
  spec.release = "web-1";
  spec.config_hash = "h1";
  spec.command = {"sh", "-c", std::move(script)};
  spec.stop_grace = std::chrono::seconds(1);
  return spec;
}

}  // namespace gantry::agent
