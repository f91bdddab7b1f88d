#include "controller/app/controller_process.hpp"

#include <atomic>
#include <filesystem>
#include <thread>

#include "controller/api/access/guard.hpp"
#include "controller/api/api.hpp"
#include "controller/api/http/certificate_watch.hpp"
#include "controller/api/http/listen_address.hpp"
#include "controller/api/http/server.hpp"
#include "controller/api/local_client.hpp"
#include "controller/app/admin_routes.hpp"
#include "controller/app/agent_archive.hpp"
#include "controller/app/agent_routes.hpp"
#include "controller/app/app_capacity.hpp"
#include "controller/app/app_checks.hpp"
#include "controller/app/app_logs.hpp"
#include "controller/app/app_sources.hpp"
#include "controller/app/deploy_api.hpp"
#include "controller/app/disk_watch.hpp"
#include "controller/app/identity.hpp"
#include "controller/app/process_metrics.hpp"
#include "controller/app/provider_limits.hpp"
#include "controller/app/provider_views.hpp"
#include "controller/app/registry.hpp"
#include "controller/app/upload_routes.hpp"
#include "controller/base/cpprest_transport.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/resident_memory.hpp"
#include "controller/base/signals.hpp"
#include "controller/base/wake_watch.hpp"
#include "controller/deploy/large_body.hpp"
#include "controller/runtime/cycles.hpp"
#include "controller/store/embedded_store.hpp"
#include "providers/agent/host_set.hpp"
#include "providers/caddy/caddy_router.hpp"
#include "providers/local/local_host.hpp"
#include "providers/local/probe.hpp"
#include "providers/relay/tunnel.hpp"

namespace gantry::app {
namespace {

const object::Resource& sources() {
  static const auto resource = object::Resource::of("gantry.dev", "sources");
  return resource;
}

constexpr std::string_view kDeclared = "manifests";  // the Source of --manifests
constexpr std::string_view kDeclaredLabel = "gantry.dev/declared-by";

api::access::GuardOptions guard_options(const ControllerOptions& options, const ServingIdentity& identity,
                                        Random& random) {
  api::access::GuardOptions guard{
      .known = identity.authenticator, .signing_key = identity.signing_key, .flow = {}, .quotas = {}, .audit = {}};
  for (const auto& quota : options.quotas) guard.quotas.insert(api::access::parse_quota(quota));
  if (options.audit_log.empty()) return guard;
  guard.audit = api::access::AuditLog::Options{.path = options.audit_log,
                                               .bytes_max = options.audit_bytes_max,
                                               .files_max = options.audit_files_max,
                                               .reads = options.audit_reads,
                                               .key = Secret(kept_key(options.data_dir, "audit.key", random))};
  return guard;
}

// For an agent on a machine that has no address yet: it is known by the certificate itself.
reconcilers::server::ServerReconciler::AgentCertificate issue_agent_certificate(const std::string& data_dir,
                                                                                const std::string& name) {
  const pki::Folder folder(files::join(data_dir, "pki"), system_clock());
  const pki::Credential made = folder.issue({name});
  return {made.certificate, made.key, pki::fingerprint_of(made.certificate)};
}

providers::relay::RelayIdentity relay_identity(const std::string& data_dir) {
  pki::Folder folder(files::join(data_dir, "pki"), system_clock());
  const pki::Credential made = folder.client("relay", providers::relay::kRelayUser, {});
  return {made.certificate, made.key.reveal()};
}

}  // namespace

struct ControllerProcess::House {
  explicit House(ControllerOptions given);

  Task<> live(Guest guest, ControllerProcess& process);
  Task<> open_loop();
  Task<> declare_manifests();
  void look_at_everything();
  void look_at_machines();
  Task<bool> close_loop();
  Task<> end();

  ControllerOptions options;
  api::http::ListenAddress address;
  log::Logger log{"controller"};
  Reactor front{"front", system_clock()};
  Reactor loop{"loop", system_clock()};
  ThreadPool store_pool{"store", 2};
  ThreadPool pool{"blocking", 4};
  const object::KindTable own_kinds = served_kinds();
  object::KindTable kinds = own_kinds;  // and those that are defined at run time; the loop's
  std::unique_ptr<store::Store> store;
  reconcilers::provider::Board accounts_board;
  ServingIdentity identity;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<api::access::Guard> guard;
  std::unique_ptr<AdminRoutes> admin;
  std::unique_ptr<api::http::Server> server;
  std::unique_ptr<api::http::CertificateWatch> certificates;
  std::string url;
  Signals signals{front};

  std::unique_ptr<api::Client> client;
  std::unique_ptr<providers::local::LocalHost> host;
  std::unique_ptr<providers::agent::HostSet> hosts;  // that one, and every Server's
  std::unique_ptr<providers::caddy::CaddyRouter> router;
  std::unique_ptr<AppSources> code;
  std::unique_ptr<UploadRoutes> uploads;
  std::unique_ptr<DeployApi> deploy_api;
  std::unique_ptr<WakeWatch> wake_watch;
  std::unique_ptr<DiskWatch> disk;
  std::shared_ptr<runtime::Plane> plane;
  http::CpprestTransport outside{loop};
  std::unique_ptr<AgentArchive> agent_archive;
  std::unique_ptr<reconcilers::provider::BuildReports> build_reports;
  std::unique_ptr<AgentRoutes> agent_routes;
  Reconcilers reconcilers;

  std::atomic<bool> ready{false};
  std::atomic<bool> ending{false};
  bool plane_stopped = true;
  int exit_code = 0;
};

ControllerProcess::House::House(ControllerOptions given)
    : options(std::move(given)), address(api::http::parse_listen_address(options.listen)) {
  if (options.http && address.host != "127.0.0.1" && address.host != "::1") {
    throw Error(ErrorCode::Invalid,
                "--http serves without encryption, so --listen must be a loopback address, not " + address.host);
  }
  options.data_dir = std::filesystem::absolute(options.data_dir).lexically_normal().string();
  files::make_directories(options.data_dir, 0700);
  Random& random = system_random();

  store::StoreOptions store_options;
  store_options.data_dir = options.data_dir;
  store_options.window_age = options.watch_history;
  store = store::open_embedded_store(front, store_pool, store_options);

  api::Authenticator::Options open;
  if (options.open_metrics) open.open_paths.emplace_back("/metrics");
  open.open_paths.emplace_back("/agent");
  identity = prepare_identity(options.data_dir, address.host, system_clock(), random, open);

  api::ApiOptions api_options;
  api_options.version = kVersion;
  api_options.advertise = api::http::reachable_host(address.host) + ":" + std::to_string(address.port);
  api_options.open_metrics = options.open_metrics;
  api = std::make_unique<api::Api>(front, *store, own_kinds, api_options);
  guard = std::make_unique<api::access::Guard>(*api, pool, guard_options(options, identity, random));
  admin = std::make_unique<AdminRoutes>(*api, *store);

  client = std::make_unique<api::LocalClient>(front, loop, api->plane());
  host = std::make_unique<providers::local::LocalHost>(
      loop, pool,
      providers::local::LocalHost::Options{.folder = options.data_dir, .docker_socket = options.docker_socket});
  hosts = std::make_unique<providers::agent::HostSet>(
      loop, pool, random, *host,
      [this](providers::ProbeSpec spec) { return providers::local::probe(loop, std::move(spec)); },
      providers::agent::RemoteHost::Options{});
  router = std::make_unique<providers::caddy::CaddyRouter>(
      loop, pool, *host,
      providers::caddy::CaddyRouter::Options{.folder = files::join(options.data_dir, "routing"),
                                             .http_port = options.http_port,
                                             .https_port = options.https_port,
                                             .caddy_program = options.caddy,
                                             .acme_email = options.acme_email,
                                             .acme_directory = options.acme_directory,
                                             .acme_trusted_ca_file = options.acme_ca,
                                             .relay_identity = [this] { return relay_identity(options.data_dir); }});
  code = std::make_unique<AppSources>(loop, pool, *client, *host, *hosts, options.data_dir, options.docker_socket,
                                      options.unused_images);
  hosts->carry_images_from(code->images());
  uploads = std::make_unique<UploadRoutes>(*admin, *api, front, loop, code->uploads());
  agent_archive = std::make_unique<AgentArchive>(loop, pool, options.data_dir,
                                                 options.advertise.empty() ? "" : "https://" + options.advertise,
                                                 std::string(kVersion));
  build_reports =
      std::make_unique<reconcilers::provider::BuildReports>(Secret(kept_key(options.data_dir, "config.key", random)));
  agent_routes = std::make_unique<AgentRoutes>(*uploads, *agent_archive, *build_reports);
  deploy_api = std::make_unique<DeployApi>(*agent_routes, *api, front, loop, random, code->uploads(), *hosts);

  api::http::ServerOptions server_options;
  server_options.address = address.host;
  server_options.port = address.port;
  if (!options.http) server_options.tls = identity.tls;
  server_options.limits.streamed_bytes = deploy::kBodyMax;
  api::Handler& doors = guard->watch_doors(deploy_api->handler(), {"/uploads", "/backup", "/infra", "/api/v1/infra"});
  server = std::make_unique<api::http::Server>(front, doors, guard->authenticator(), server_options);
  server->listen();
  url = std::string(options.http ? "http" : "https") + "://" + api::http::reachable_host(address.host) + ":" +
        std::to_string(server->port());
  if (!options.http) {
    certificates = std::make_unique<api::http::CertificateWatch>(front, pool, *server, identity.tls, [this] {
      return look_at_certificates(options.data_dir, address.host, url, system_clock());
    });
  }

  runtime::PlaneOptions plane_options;
  plane_options.read_only = options.read_only;
  plane_options.stop_grace = options.shutdown_grace;
  plane = std::make_shared<runtime::Plane>(loop, front, *client, random, kinds, plane_options);
  disk = std::make_unique<DiskWatch>(loop, pool, options.data_dir, [this] { look_at_everything(); });
  reconcilers = serve_kinds(
      *plane, {.loop = loop,
               .blocking = pool,
               .client = *client,
               .kinds = kinds,
               .host = *hosts,
               .servers = *hosts,
               .router = *router,
               .sources = code->sources(),
               .builder = code->builder(),
               .probe = [this](providers::ProbeSpec spec) { return hosts->probe(std::move(spec)); },
               .disk_alarm = [this] { return disk->alarm(); },
               .data_dir = options.data_dir,
               .hash_key = kept_key(options.data_dir, "config.key", random),
               .agent_key = Secret(kept_key(options.data_dir, "agent.key", random)),
               .authority = identity.authority,
               .transport = outside,
               .random = random,
               .issue = [this](const std::string& name) { return issue_agent_certificate(options.data_dir, name); },
               .agent_source = [this] { return agent_archive->source(); },
               .accounts_board = accounts_board,
               .build_reports = *build_reports});

  api->on_kind([this](object::Resource resource, object::KindPtr kind) {
    loop.post([this, resource, kind = std::move(kind)] {
      // One that is gone stays known by name: what refers to it is then found to be absent, not unknown.
      if (kind) {
        kinds.put(kind);
        plane->follow(kind);
      } else {
        plane->forget(resource);
      }
    });
  });
  runtime::refuse_cycles(*api, own_kinds, *store);
  refuse_overcommitment(*api, *store, capacity_of_this_machine(options.reserve_cpu, options.reserve_memory));
  refuse_impossible_apps(*api, *store);
  refuse_beyond_limits(*api, *store, accounts_board);
  api->set_planner(plane);
  api->add_metrics([this] { return plane->object_metrics(); });
  api->add_subresource(object::Resource::of("gantry.dev", "apps"), "log",
                       std::make_shared<AppLogs>(front, loop, *hosts, code->builder()));
  show_accounts(*api, front, loop, [this] { return reconcilers.accounts.get(); });
  api->add_health_check("controllers-synced", false,
                        [this] { return ready ? std::string() : "the controllers are not synced yet"; });
  api->add_health_check("shutdown", false, [this] { return ending ? "the process is ending" : std::string(); });
  register_process_metrics();
}

Task<> ControllerProcess::House::open_loop() {
  co_await host->open();
  co_await router->open();
  co_await code->open(host->id());
  agent_archive->open([this] { look_at_machines(); });
  plane->start();
  plane_stopped = false;
  co_await plane->wait_synced();
  // After a sleep everything may be different, and connections are dead without a word. Nothing is taken for lost: each
  // object is looked at, as after a restart.
  wake_watch = std::make_unique<WakeWatch>(loop, [this](Duration slept) {
    log.info("this machine slept; everything is looked at again", {{"slept", human_duration(slept)}});
    hosts->reconnect();
    look_at_everything();
  });
  disk->open();
  co_await declare_manifests();
}

// --manifests is a Source like any other, made by us. Without the flag the one of an earlier start goes, and leaves
// what it brought: nobody said that the Apps should end.
Task<> ControllerProcess::House::declare_manifests() {
  const object::Key key{sources(), "default", std::string(kDeclared)};
  const auto live = co_await client->find(key);
  if (!options.manifests.empty()) {
    const std::string folder = std::filesystem::absolute(options.manifests).lexically_normal().string();
    json::Object metadata{{"name", kDeclared},
                          {"namespace", "default"},
                          {"labels", json::Object{{std::string(kDeclaredLabel), "command-line"}}}};
    json::Object source{{"apiVersion", "gantry.dev/v1alpha1"},
                        {"kind", "Source"},
                        {"metadata", std::move(metadata)},
                        {"spec", json::Object{{"directory", json::Object{{"path", folder}}}, {"prune", true}}}};
    co_await client->patch(key, api::PatchType::Apply, json::Value(std::move(source)),
                           {.field_manager = "gantry-command-line", .force = true});
  } else if (live && live->meta().label(kDeclaredLabel)) {
    const json::Object retain{
        {"metadata", json::Object{{"annotations", json::Object{{"gantry.dev/deletion-policy", "Retain"}}}}}};
    co_await client->patch(key, api::PatchType::Merge, json::Value(retain), {.field_manager = "gantry-command-line"});
    co_await client->remove(key);
  }
}

void ControllerProcess::House::look_at_everything() {
  for (const auto& [resource, informer] : plane->informers().all()) {
    for (const auto& object : informer->list()) plane->poke(object->key());
  }
}

// What waited for the agent to be packed.
void ControllerProcess::House::look_at_machines() {
  if (ending) return;
  for (const char* kind : {"servers", "snapshots"}) {
    const auto* informer = plane->informers().find_informer(object::Resource::of("gantry.dev", kind));
    for (const auto& object : informer->list()) plane->poke(object->key());
  }
}

Task<bool> ControllerProcess::House::close_loop() {
  wake_watch.reset();
  co_await disk->close();
  plane_stopped = co_await plane->stop();
  if (plane_stopped) {
    co_await reconcilers.accounts->close();
    co_await router->close();
    plane_stopped = co_await code->close();
    co_await hosts->close();
    co_await host->close();
  }
  co_return plane_stopped;
}

Task<> ControllerProcess::House::end() {
  ending = true;
  log.info("ending: requests under way are finished, Apps go on");
  co_await server->shutdown(options.shutdown_grace);
  co_await loop.call(front, [this] { return close_loop(); });
  if (certificates) co_await certificates->stop();
  guard->close();
  if (auto* audit = guard->audit()) co_await audit->flush(front);
  co_await store->close();
  loop.stop();
  front.stop();
}

Task<> ControllerProcess::House::live(Guest guest, ControllerProcess& process) {
  std::optional<Error> failure;
  try {
    co_await api->prepare();
    co_await guard->prepare();
    write_admin_kubeconfig(options.data_dir, url, identity, options.http);
    co_await loop.call(front, [this] { return open_loop(); });
    if (certificates) certificates->start();
    ready = true;
    release_clean_pages();
    log.info("ready", {{"url", url}, {"data_dir", options.data_dir}, {"objects", store->revision()}});
    if (guest) {
      exit_code = co_await loop.call(front, [&guest, &process] { return guest(process); });
    } else {
      co_await signals.wait();
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    log.error("cannot go on", {{"error", failure->message()}});
    exit_code = traits(failure->code()).exit_code;
  }
  co_await end();
}

ControllerProcess::ControllerProcess(ControllerOptions options) : house_(std::make_unique<House>(std::move(options))) {}
ControllerProcess::~ControllerProcess() = default;

int ControllerProcess::run(Guest guest) {
  house_->front.spawn(house_->live(std::move(guest), *this));
  std::thread loop([this] { house_->loop.run(); });
  house_->front.run();
  loop.join();
  if (!house_->plane_stopped) {
    // An attempt still holds on to the plane; destroying that under it would be worse than leaving.
    log::flush();
    std::_Exit(house_->exit_code);
  }
  return house_->exit_code;
}

Reactor& ControllerProcess::loop() { return house_->loop; }
api::Client& ControllerProcess::client() { return *house_->client; }
const object::KindTable& ControllerProcess::kinds() const { return house_->kinds; }
bool ControllerProcess::ending() const { return house_->signals.came(); }
std::string ControllerProcess::url() const { return house_->url; }
std::string ControllerProcess::kubeconfig() const { return files::join(house_->options.data_dir, "kubeconfig"); }

Task<> ControllerProcess::wait_for_signal() {
  House& house = *house_;
  co_await house.front.call(house.loop, [&house] { return house.signals.wait(); });
}

}  // namespace gantry::app
