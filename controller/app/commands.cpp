#include "controller/app/commands.hpp"

#include <charconv>
#include <filesystem>
#include <ostream>
#include <sstream>

#include "controller/agent/agent_process.hpp"
#include "controller/agent/launcher.hpp"
#include "controller/app/controller_process.hpp"
#include "controller/app/demo.hpp"
#include "controller/app/deploy.hpp"
#include "controller/app/identity.hpp"
#include "controller/app/quickstart.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/pki.hpp"
#include "controller/cli/context.hpp"
#include "controller/cli/version.hpp"
#include "controller/store/embedded_store.hpp"

namespace gantry::app {
namespace {

using cli::Command;
using cli::Context;
using cli::Flag;
using cli::UsageError;

constexpr std::string_view kGroup = "Running Gantry";

std::vector<Flag> log_flags(std::string_view level) {
  return {{.name = "log-level", .value = "LEVEL", .help = "debug, info, warn, error or off", .otherwise = level},
          {.name = "log-format", .value = "FORMAT", .help = "text or json", .otherwise = "text"}};
}

void configure_log(const cli::Flags& flags) {
  log::configure(log::parse_level(flags.text("log-level")), log::parse_format(flags.text("log-format")));
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

int port_of(const cli::Flags& flags, std::string_view name) {
  const auto port = flags.number(name);
  if (!port || *port < 1 || *port > 65535)
    throw UsageError("--" + std::string(name) + " must be a port from 1 to 65535, not \"" + flags.text(name) + "\"");
  return static_cast<int>(*port);
}

std::size_t count_of(const cli::Flags& flags, std::string_view name, std::int64_t max) {
  const auto count = flags.number(name);
  if (!count || *count < 1 || *count > max)
    throw UsageError("--" + std::string(name) + " must be a number from 1 to " + std::to_string(max) + ", not \"" +
                     flags.text(name) + "\"");
  return static_cast<std::size_t>(*count);
}

std::vector<Flag> with(std::vector<Flag> flags, const std::vector<Flag>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

Command controller_command() {
  return {
      .name = "controller",
      .group = kGroup,
      .usage = "--data-dir DIR [--manifests DIR] [--listen ADDRESS:PORT]",
      .summary = "Run the controller: the API, the store and the loop that keeps things so",
      .help =
          "Serves the Kubernetes API and keeps real infrastructure equal to what is declared. The first start makes a\n"
          "certificate authority, a serving certificate and DIR/kubeconfig (mode 0600). It is ready when GET /readyz\n"
          "answers 200. SIGTERM or Ctrl-C ends it cleanly; Apps go on, and are found again at the next start.\n"
          "\n"
          "Examples:\n"
          "  gantry controller --data-dir /var/lib/gantry\n"
          "  gantry controller --data-dir ./data --manifests ./manifests --listen 127.0.0.1:0\n",
      .flags = with(
          {{.name = "data-dir",
            .value = "DIR",
            .help = "where everything is kept; one controller at a time",
            .otherwise = {}},
           {.name = "manifests",
            .value = "DIR",
            .help = "a folder of manifests to apply and watch, as a Source",
            .otherwise = {}},
           {.name = "listen",
            .value = "ADDRESS:PORT",
            .help = "where the API is served; port 0: any",
            .otherwise = "127.0.0.1:6443"},
           {.name = "advertise",
            .value = "HOST:PORT",
            .help = "where machines at providers reach this controller, to fetch the agent",
            .otherwise = {}},
           {.name = "http", .help = "plain HTTP instead of HTTPS; loopback addresses only", .otherwise = {}},
           {.name = "read-only", .help = "observe and report, change nothing outside", .otherwise = {}},
           {.name = "open-metrics", .help = "/metrics needs no credentials", .otherwise = {}},
           {.name = "docker-socket",
            .value = "PATH",
            .help = "the Docker Engine's socket",
            .otherwise = "/var/run/docker.sock"},
           {.name = "unused-images",
            .value = "TIME",
            .help =
                "how long images that were pulled for Apps, and layers of failed builds, stay when nothing needs them",
            .otherwise = "24h"},
           {.name = "reserve-memory",
            .value = "SIZE",
            .help = "of this machine, not for Apps' limits: 512Mi; else a tenth",
            .otherwise = {}},
           {.name = "reserve-cpu",
            .value = "CPU",
            .help = "the same of its processors: 200m; else none, and they may be promised twice",
            .otherwise = {}},
           {.name = "http-port", .value = "PORT", .help = "where routes are served", .otherwise = "80"},
           {.name = "https-port", .value = "PORT", .help = "where routes with TLS are", .otherwise = "443"},
           {.name = "caddy", .value = "PROGRAM", .help = "Caddy, which serves routes", .otherwise = "caddy"},
           {.name = "acme-email", .value = "ADDRESS", .help = "told to the certificate authority", .otherwise = {}},
           {.name = "acme-directory",
            .value = "URL",
            .help = "the authority, instead of Let's Encrypt",
            .otherwise = {}},
           {.name = "acme-ca",
            .value = "FILE",
            .help = "who signed the authority's own certificate, where the system does not trust it",
            .otherwise = {}},
           {.name = "watch-history",
            .value = "DURATION",
            .help = "how long a watch that was cut off, or the next page of a list, may take to come back",
            .otherwise = "5m"},
           {.name = "quota",
            .value = "RESOURCE=N",
            .help = "at most N objects in a namespace: apps.gantry.dev=100; may be given more than once",
            .otherwise = {},
            .repeated = true},
           {.name = "audit-log",
            .value = "FILE",
            .help = "who did what, as JSON lines: writes, refusals and looks at Secrets; else none",
            .otherwise = {}},
           {.name = "audit-reads", .help = "every request in the audit log", .otherwise = {}},
           {.name = "audit-max-size", .value = "MIB", .help = "of one file of it", .otherwise = "100"},
           {.name = "audit-max-files", .value = "N", .help = "older files of it that are kept", .otherwise = "10"}},
          log_flags("info")),
      .run = [](Context& context) {
        const auto& flags = context.flags();
        configure_log(flags);
        if (flags.text("data-dir").empty())
          throw UsageError("controller needs --data-dir DIR: where should it keep everything?");
        ControllerOptions options;
        options.data_dir = flags.text("data-dir");
        options.manifests = flags.text("manifests");
        options.listen = flags.text("listen");
        options.advertise = flags.text("advertise");
        options.http = flags.on("http");
        options.read_only = flags.on("read-only");
        options.open_metrics = flags.on("open-metrics");
        options.docker_socket = flags.text("docker-socket");
        options.unused_images = flags.duration("unused-images").value_or(options.unused_images);
        options.reserve_cpu = flags.text("reserve-cpu");
        options.reserve_memory = flags.text("reserve-memory");
        options.http_port = port_of(flags, "http-port");
        options.https_port = port_of(flags, "https-port");
        options.caddy = flags.text("caddy");
        options.acme_email = flags.text("acme-email");
        options.acme_directory = flags.text("acme-directory");
        if (!flags.text("acme-ca").empty()) options.acme_ca = absolute(flags.text("acme-ca"));
        options.watch_history = flags.duration("watch-history").value_or(options.watch_history);
        options.quotas = flags.all("quota");
        if (!flags.text("audit-log").empty()) options.audit_log = absolute(flags.text("audit-log"));
        options.audit_reads = flags.on("audit-reads");
        options.audit_bytes_max = count_of(flags, "audit-max-size", 1 << 20) << 20;
        options.audit_files_max = count_of(flags, "audit-max-files", 1000);
        return ControllerProcess(options).run();
      }};
}

int port_flag(const std::string& text) {
  int port = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535)
    throw UsageError("--tunnel-port " + text + " is no port");
  return port;
}

Command agent_command() {
  return {.name = "agent",
          .group = kGroup,
          .usage = "--data-dir DIR [--listen ADDRESS:PORT]",
          .summary = "Run the agent of a host: containers and processes for a controller elsewhere",
          .help =
              "Serves the agent's API over HTTPS. Every call needs the header X-API-Key with the key in DIR/agent.key, "
              "which the\n"
              "first start makes (mode 0600) unless it is there. DIR/agent.json says where the API is served and the\n"
              "certificate's fingerprint, to be pinned by the controller. SIGTERM or Ctrl-C ends it cleanly; what it "
              "started\n"
              "goes on, and is found again at the next start. docs/agent.md lists the operations.\n"
              "\n"
              "Examples:\n"
              "  gantry agent --data-dir /var/lib/gantry-agent\n"
              "  gantry agent --data-dir ./agent --listen 127.0.0.1:0\n"
              "  curl -k -H \"X-API-Key: $(head -n1 ./agent/agent.key)\" https://127.0.0.1:9999/health\n",
          .flags = with({{.name = "data-dir",
                          .value = "DIR",
                          .help = "where everything is kept; one agent at a time",
                          .otherwise = {}},
                         {.name = "listen",
                          .value = "ADDRESS:PORT",
                          .help = "where the API is served; port 0: any",
                          .otherwise = "0.0.0.0:9999"},
                         {.name = "tunnel-port",
                          .value = "PORT",
                          .help = "where requests for Apps come in, encrypted; else the port after the API's; 0: any",
                          .otherwise = {}},
                         {.name = "key-file", .value = "FILE", .help = "the key; else DIR/agent.key", .otherwise = {}},
                         {.name = "tls-certificate",
                          .value = "FILE",
                          .help = "PEM, such as one of the controller's authority; else one of its own",
                          .otherwise = {}},
                         {.name = "tls-key", .value = "FILE", .help = "the certificate's key", .otherwise = {}},
                         {.name = "http",
                          .help = "plain HTTP instead of HTTPS: keys and secrets cross the network in clear text",
                          .otherwise = {}},
                         {.name = "docker-socket",
                          .value = "PATH",
                          .help = "the Docker Engine's socket",
                          .otherwise = "/var/run/docker.sock"}},
                        log_flags("info")),
          .run = [](Context& context) {
            const auto& flags = context.flags();
            configure_log(flags);
            if (flags.text("data-dir").empty())
              throw UsageError("agent needs --data-dir DIR: where should it keep everything?");
            agent::AgentOptions options;
            options.data_dir = flags.text("data-dir");
            options.listen = flags.text("listen");
            if (const std::string port = flags.text("tunnel-port"); !port.empty())
              options.tunnel_port = port_flag(port);
            options.key_file = flags.text("key-file");
            options.certificate_file = flags.text("tls-certificate");
            options.certificate_key_file = flags.text("tls-key");
            options.http = flags.on("http");
            options.docker_socket = flags.text("docker-socket");
            options.version = cli::kVersion;
            options.launched = agent::is_worker();
            if (options.launched) return agent::AgentProcess(std::move(options)).run();
            agent::LauncherOptions launcher;
            launcher.data_dir = options.data_dir;
            launcher.arguments = {"agent", "--data-dir", options.data_dir, "--listen", options.listen};
            for (const auto* name : {"tunnel-port", "key-file", "tls-certificate", "tls-key", "docker-socket",
                                     "log-level", "log-format"}) {
              if (const std::string value = flags.text(name); !value.empty())
                launcher.arguments.insert(launcher.arguments.end(), {"--" + std::string(name), value});
            }
            if (options.http) launcher.arguments.emplace_back("--http");
            return agent::launch(launcher);
          }};
}

Command agent_credentials_command() {
  return {.name = "agent-credentials",
          .group = kGroup,
          .usage = "--data-dir DIR --address ADDRESS[,ADDRESS...] --out FOLDER",
          .summary = "Write what an agent needs so that this controller speaks to it without further ado",
          .help =
              "Makes FOLDER with agent.key (the controller's own key for agents), tls.crt and tls.key (a serving "
              "certificate for\n"
              "those addresses, signed by the controller's authority). Bring them to the host by a way you trust, and "
              "start the\n"
              "agent with them. A Server with that address then needs no Secret.\n"
              "\n"
              "Examples:\n"
              "  gantry agent-credentials --data-dir /var/lib/gantry --address 10.0.0.5 --out ./web-1\n"
              "  gantry agent --data-dir /var/lib/gantry-agent --key-file agent.key --tls-certificate tls.crt "
              "--tls-key tls.key\n",
          .flags = {{.name = "data-dir", .value = "DIR", .help = "the controller's data directory", .otherwise = {}},
                    {.name = "address",
                     .value = "ADDRESS",
                     .help = "addresses or names that Servers will give, with commas",
                     .otherwise = {}},
                    {.name = "out", .value = "FOLDER", .help = "where the files are written", .otherwise = {}}},
          .run = [](Context& context) {
            const auto& flags = context.flags();
            const std::string out = flags.text("out");
            if (flags.text("data-dir").empty() || flags.text("address").empty() || out.empty())
              throw UsageError("agent-credentials needs --data-dir DIR, --address ADDRESS and --out FOLDER");
            std::vector<std::string> names;
            std::istringstream words(flags.text("address"));
            for (std::string word; std::getline(words, word, ',');) names.push_back(word);
            const std::string data_dir = flags.text("data-dir");
            if (!files::exists(files::join(data_dir, "pki/ca.crt")))
              throw Error(ErrorCode::NotFound, data_dir + " is no controller's data directory: it has no pki/ca.crt");
            const pki::Folder authority(files::join(data_dir, "pki"), system_clock());
            const pki::Credential serving = authority.issue(names);
            files::make_directories(out, 0700);
            files::write_file_atomically(files::join(out, "agent.key"),
                                         kept_key(data_dir, "agent.key", system_random()) + "\n", 0600);
            files::write_file_atomically(files::join(out, "tls.key"), serving.key.reveal(), 0600);
            files::write_file_atomically(files::join(out, "tls.crt"), serving.certificate, 0644);
            context.out() << "agent.key, tls.crt and tls.key written to " << out << "\n";
            return 0;
          }};
}

Command quickstart_command() {
  return {
      .name = "quickstart",
      .group = kGroup,
      .usage = "[--exit-when-ready]",
      .summary = "Start a controller with its first Apps, and watch them become ready",
      .help =
          "Starts a controller in a directory of its own, applies manifests/quickstart/, shows progress until "
          "everything is\n"
          "Ready, and goes on until Ctrl-C. Then the Apps are stopped and the directory is removed.\n"
          "\n"
          "Examples:\n"
          "  gantry quickstart\n"
          "  gantry quickstart --exit-when-ready     # ends with 0 once everything was ready\n",
      .flags = with(
          {{.name = "manifests", .value = "DIR", .help = "the folder to apply", .otherwise = "manifests/quickstart"},
           {.name = "data-dir", .value = "DIR", .help = "kept at the end; else a temporary one", .otherwise = {}},
           {.name = "listen",
            .value = "ADDRESS:PORT",
            .help = "where the API is served; port 0: any",
            .otherwise = "127.0.0.1:0"},
           {.name = "exit-when-ready",
            .help = "end with 0 when everything is ready, else with the reason",
            .otherwise = {}},
           {.name = "timeout", .value = "TIME", .help = "how long to wait for Ready", .otherwise = "2m"}},
          log_flags("warn")),
      .run = [](Context& context) {
        const auto& flags = context.flags();
        configure_log(flags);
        QuickstartOptions options;
        options.manifests = flags.text("manifests");
        options.data_dir = flags.text("data-dir");
        options.listen = flags.text("listen");
        options.exit_when_ready = flags.on("exit-when-ready");
        options.patience = flags.duration("timeout").value_or(std::chrono::minutes(2));
        options.terminal = context.streams().out_is_terminal;
        return run_quickstart(options, context.out());
      }};
}

Command demo_command() {
  return {.name = "demo",
          .group = kGroup,
          .usage = "",
          .summary = "The small web server of the quickstart",
          .help = "Listens on $PORT and serves page.html of its working directory. Ends at SIGTERM.\n",
          .flags = {},
          .run = [](Context&) { return run_demo(); },
          .hidden = true};
}

Task<> back_up(store::Store& store, std::string path, Reactor& reactor, std::exception_ptr& failure) {
  try {
    co_await store.backup(std::move(path));
  } catch (...) {  // thrown again on the caller's thread
    failure = std::current_exception();
  }
  co_await store.close();
  reactor.stop();
}

// Reads the store where no controller runs. False when one does: it must be asked then.
bool back_up_offline(const std::string& data_dir, const std::string& path) {
  Reactor front("front", system_clock());
  ThreadPool pool("store", 2);
  store::StoreOptions options;
  options.data_dir = data_dir;
  std::unique_ptr<store::Store> store;
  try {
    store = store::open_embedded_store(front, pool, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Unavailable) throw;
    return false;
  }
  std::exception_ptr failure;
  front.spawn(back_up(*store, path, front, failure));
  front.run();
  if (failure) std::rethrow_exception(failure);
  return true;
}

Command backup_command() {
  return {.name = "backup",
          .group = kGroup,
          .usage = "FILE [--data-dir DIR]",
          .summary = "Write a consistent copy of everything to one file",
          .help =
              "Asks the running controller (by kubeconfig) to write the copy, on its own machine, while it goes on. "
              "With --data-dir\n"
              "and no controller running there, the store is read directly. Secrets in the file stay encrypted: keep\n"
              "DIR/secrets.key too, in another place.\n"
              "\n"
              "Examples:\n"
              "  gantry backup /var/backups/gantry-monday\n"
              "  gantry backup --data-dir /var/lib/gantry /var/backups/gantry-monday\n",
          .flags = {{.name = "data-dir",
                     .value = "DIR",
                     .help = "the data directory of a controller that does not run",
                     .otherwise = {}}},
          .run = [](Context& context) {
            if (context.operands().size() != 1) throw UsageError("backup needs one FILE to write to");
            const std::string path = absolute(context.operands().front());
            const std::string data_dir = context.flags().text("data-dir");
            if (data_dir.empty() || !back_up_offline(data_dir, path)) {
              context.ask({.method = "POST",
                           .path = "/backup",
                           .content_type = "application/json",
                           .body = json::dump(json::Object{{"path", path}})});
            }
            context.out() << "backup written to " << path << "\n";
            return 0;
          }};
}

Command restore_command() {
  return {.name = "restore",
          .group = kGroup,
          .usage = "FILE --data-dir DIR",
          .summary = "Make a data directory's store from a backup",
          .help =
              "Refuses a directory that holds a store already, and a file that is not whole. Put the secrets.key of "
              "the controller\n"
              "that wrote the backup into DIR first: without it the Secrets cannot be read.\n"
              "\n"
              "Examples:\n"
              "  gantry restore /var/backups/gantry-monday --data-dir /var/lib/gantry-new\n",
          .flags = {{.name = "data-dir", .value = "DIR", .help = "where the store is made", .otherwise = {}}},
          .run = [](Context& context) {
            const std::string data_dir = context.flags().text("data-dir");
            if (context.operands().size() != 1 || data_dir.empty())
              throw UsageError("restore needs one FILE and --data-dir DIR");
            const auto info = store::restore_backup(absolute(context.operands().front()), data_dir);
            context.out() << "restored " << info.rows << " rows up to revision " << info.revision << " into "
                          << data_dir << "\n";
            return 0;
          }};
}

}  // namespace

std::vector<cli::Command> process_commands() {
  return {controller_command(), agent_command(),      agent_credentials_command(),
          kubeconfig_command(), quickstart_command(), demo_command(),
          backup_command(),     restore_command(),    deploy_command()};
}

}  // namespace gantry::app
