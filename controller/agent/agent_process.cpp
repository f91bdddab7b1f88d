#include "controller/agent/agent_process.hpp"

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "controller/agent/agent_api.hpp"
#include "controller/agent/launcher.hpp"
#include "controller/agent/tunnel_keeper.hpp"
#include "controller/api/http/listen_address.hpp"
#include "controller/api/http/server.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/signals.hpp"
#include "providers/local/local_host.hpp"
#include "providers/local/workshop.hpp"

namespace gantry::agent {
namespace {

constexpr std::size_t kUploadMax = 4ULL << 30;

tls::Context::Server serving_certificate(const AgentOptions& options, const std::string& address) {
  if (options.certificate_file.empty() != options.certificate_key_file.empty())
    throw Error(ErrorCode::Invalid, "--tls-certificate and --tls-key belong together: give both, or none");
  if (!options.certificate_file.empty()) {
    if (files::readable_by_others(options.certificate_key_file))
      throw Error(ErrorCode::Forbidden, options.certificate_key_file + " can be read by others; chmod 600 it");
    return {files::read_file(options.certificate_file, 1 << 20),
            Secret(files::read_file(options.certificate_key_file, 1 << 20)),
            {}};
  }
  pki::Folder folder(files::join(options.data_dir, "pki"), system_clock());
  const auto serving = folder.serving(pki::serving_names(address));
  return {serving.certificate, serving.key, {}};
}

// One that was just killed may still be on its way out.
files::Lock lock_of(const std::string& data_dir) {
  const std::string path = files::join(data_dir, "agent.lock");
  for (int look = 0; look < 60; ++look) {
    if (auto lock = files::Lock::try_acquire(path)) return std::move(*lock);
    const timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return files::Lock::acquire(path);
}

AgentOptions settled(AgentOptions options) {
  options.data_dir = std::filesystem::absolute(options.data_dir).lexically_normal().string();
  files::make_directories(options.data_dir, 0700);
  if (options.key_file.empty()) options.key_file = files::join(options.data_dir, "agent.key");
  return options;
}

}  // namespace

struct AgentProcess::House {
  explicit House(AgentOptions given);
  Task<> live();
  Task<> end();
  Task<> open_tunnel();
  void serve();
  void hand_over();

  AgentOptions options;
  api::http::ListenAddress address;
  files::Lock lock;
  log::Logger log{"agent"};
  Reactor reactor{"agent", system_clock()};
  ThreadPool pool{"blocking", 4};
  AgentKeys keys;
  Signals signals{reactor};
  std::unique_ptr<providers::local::LocalHost> host;
  providers::local::CodeStore code{reactor, pool, options.data_dir};
  std::unique_ptr<providers::local::Workshop> workshop;
  std::unique_ptr<Awake> awake;
  std::optional<tls::Context::Server> tls;  // absent: plain HTTP
  std::unique_ptr<TunnelKeeper> tunnel;
  std::unique_ptr<Channels> channels;
  std::unique_ptr<AgentApi> api;
  std::unique_ptr<api::http::Server> server;
  bool opened = false;
  int exit_code = 0;
};

AgentProcess::House::House(AgentOptions given)
    : options(settled(std::move(given))),
      address(api::http::parse_listen_address(options.listen)),
      lock(lock_of(options.data_dir)),
      keys(options.key_file, system_clock(), system_random()) {
  host = std::make_unique<providers::local::LocalHost>(
      reactor, pool,
      providers::local::LocalHost::Options{.folder = options.data_dir,
                                           .docker_socket = options.docker_socket,
                                           // The controller's relay is on another machine than the containers.
                                           .reachable = address.host != "127.0.0.1" && address.host != "::1"});
}

// With the agent's own certificate, so that whoever knows the one knows the other.
Task<> AgentProcess::House::open_tunnel() {
  if (options.http) co_return;
  tls = serving_certificate(options, address.host);
  const int beside = address.port == 0 ? 0 : providers::tunnel_port_beside(address.port);
  tunnel = std::make_unique<TunnelKeeper>(reactor, pool, *host,
                                          TunnelKeeper::Options{.folder = files::join(options.data_dir, "tunnel"),
                                                                .address = address.host,
                                                                .port = options.tunnel_port.value_or(beside),
                                                                .credential = {tls->certificate, tls->key}});
  co_await tunnel->open();
}

void AgentProcess::House::serve() {
  awake = std::make_unique<Awake>(reactor, pool, *host, std::make_unique<providers::local::SleepInhibitor>());
  channels = std::make_unique<Channels>(reactor, *host, system_random(), options.version);
  api = std::make_unique<AgentApi>(
      AgentApi::Parts{.reactor = reactor,
                      .blocking = pool,
                      .host = *host,
                      .keys = keys,
                      .channels = *channels,
                      .code = code,
                      .builder = *workshop,
                      .images = *workshop,
                      .awake = *awake,
                      .data_dir = options.data_dir,
                      .docker_socket = options.docker_socket,
                      .version = options.version,
                      .on_upgrade = options.launched ? std::function([this] { hand_over(); }) : std::function<void()>(),
                      .tunnel = tunnel.get()});
  api::http::ServerOptions server_options;
  server_options.address = address.host;
  server_options.port = address.port;
  server_options.limits.streamed_bytes = kUploadMax;
  std::string fingerprint;
  if (options.http) {
    server_options.plain_anywhere = true;
    log.warn("plain HTTP was asked for: keys and secrets cross the network in clear text");
  } else {
    server_options.tls = tls;
    fingerprint = pki::fingerprint_of(server_options.tls->certificate);
  }
  server = std::make_unique<api::http::Server>(reactor, *api, keys, server_options);
  server->listen();
  const std::string url = std::string(options.http ? "http" : "https") + "://" +
                          api::http::reachable_host(address.host) + ":" + std::to_string(server->port());
  // For whoever set this host up, and wants to tell a controller about it.
  files::write_file_atomically(files::join(options.data_dir, "agent.json"),
                               json::dump(json::Object{{"url", url},
                                                       {"fingerprint", fingerprint},
                                                       {"version", options.version},
                                                       {"keyFile", options.key_file},
                                                       {"pid", static_cast<std::int64_t>(::getpid())}}) +
                                   "\n",
                               0600);
  if (options.launched) tell_launcher_ready();
  log.info("ready", {{"url", url}, {"fingerprint", fingerprint}, {"data_dir", options.data_dir}});
}

// As if somebody had asked us to end; but the launcher sees that a successor is to be tried.
void AgentProcess::House::hand_over() {
  exit_code = kUpgradeExit;
  ::kill(::getpid(), SIGTERM);
}

Task<> AgentProcess::House::live() {
  std::optional<Error> failure;
  try {
    co_await host->open();
    workshop = std::make_unique<providers::local::Workshop>(
        reactor, pool, *host,
        providers::local::Workshop::Options{
            .folder = options.data_dir, .docker_socket = options.docker_socket, .host_id = {}});
    opened = true;
    co_await workshop->open(host->id());
    co_await open_tunnel();
    serve();
    co_await signals.wait();
  } catch (const Error& error) {  // this main's own catch
    failure = error;
  }
  if (failure) {
    log.error("cannot go on", {{"error", failure->message()}});
    exit_code = traits(failure->code()).exit_code;
  }
  co_await end();
}

Task<> AgentProcess::House::end() {
  log.info("ending: requests under way are finished, instances go on");
  if (server) co_await server->shutdown(options.shutdown_grace);
  if (awake) co_await awake->close();
  if (tunnel) co_await tunnel->close();
  if (workshop) co_await workshop->close();
  if (opened) co_await host->close();
  reactor.stop();
}

AgentProcess::AgentProcess(AgentOptions options) : house_(std::make_unique<House>(std::move(options))) {}
AgentProcess::~AgentProcess() = default;

int AgentProcess::run() {
  house_->reactor.spawn(house_->live());
  house_->reactor.run();
  return house_->exit_code;
}

}  // namespace gantry::agent
