#include <ostream>

#include "controller/app/commands.hpp"
#include "controller/app/identity.hpp"
#include "controller/base/files.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/yaml.hpp"
#include "controller/cli/context.hpp"

namespace gantry::app {
namespace {

using cli::Context;
using cli::UsageError;

constexpr std::chrono::hours kYear{365 * 24};

// Where the controller was last reached: its own kubeconfig says so.
std::string last_url(const std::string& data_dir) {
  const auto text = files::read_file_if_exists(files::join(data_dir, "kubeconfig"), 1 << 20);
  if (!text) return {};
  const json::Value config = yaml::parse(*text);
  const json::Value* clusters = config.find("clusters");
  if (!clusters || !clusters->is_array() || clusters->as_array().empty()) return {};
  const json::Value* url = clusters->as_array().front().at({"cluster", "server"});
  return url && url->is_string() ? url->as_string() : std::string();
}

int make_kubeconfig(Context& context) {
  const auto& flags = context.flags();
  const std::string data_dir = flags.text("data-dir"), user = flags.text("user"), ns = flags.text("namespace");
  if (data_dir.empty() || user.empty()) throw UsageError("kubeconfig needs --data-dir DIR and --user NAME");
  if (user.starts_with("system:"))
    throw UsageError("--user " + user + ": names that begin with system: belong to the controller and ServiceAccounts");
  const Duration life = flags.duration("valid").value_or(kYear);
  if (life < std::chrono::minutes(10)) throw UsageError("--valid must be at least 10m");
  const std::string url = flags.text("server").empty() ? last_url(data_dir) : flags.text("server");
  if (url.empty())
    throw UsageError(data_dir + "/kubeconfig does not say where the API is served; give --server https://HOST:PORT");
  if (!files::exists(files::join(data_dir, "pki/ca.crt")))
    throw Error(ErrorCode::NotFound, data_dir + " is no controller's data directory: it has no pki/ca.crt");

  const pki::Folder folder(files::join(data_dir, "pki"), system_clock());
  const pki::Credential made = folder.client_for(user, flags.all("group"), life);
  const std::string text = kubeconfig_text(url, folder.authority_certificate(), user,
                                           certificate_entry(made.certificate, made.key), ns.empty() ? "default" : ns);
  const std::string out = flags.text("out");
  if (out.empty()) {
    context.out() << text;
    return 0;
  }
  files::write_file_atomically(out, text, 0600);
  context.out() << "kubeconfig of " << user << " written to " << out << ", valid until "
                << format_time(pki::life_of(made.certificate).until) << "\n";
  return 0;
}

}  // namespace

cli::Command kubeconfig_command() {
  return {
      .name = "kubeconfig",
      .group = "Running Gantry",
      .usage = "--data-dir DIR --user NAME [--group GROUP]... [--out FILE]",
      .summary = "Make a kubeconfig for a user: a client certificate of the controller's own authority",
      .help =
          "The user is NAME, a member of the groups; --namespace is where they work when they name none. What they may "
          "do is\n"
          "what roles allow: bind one to the user or to a group (kubectl create rolebinding). Works where the data\n"
          "directory is, whether the controller runs or not; nothing is stored. A certificate cannot be taken back "
          "before it ends, so keep --valid short, or\n"
          "give roles to users and take those back. Members of system:masters may do everything.\n"
          "\n"
          "Examples:\n"
          "  gantry kubeconfig --data-dir /var/lib/gantry --user alice --group dev --out alice.kubeconfig\n"
          "  kubectl create rolebinding alice --clusterrole edit --user alice --namespace prod\n"
          "  gantry kubeconfig --data-dir ./data --user ci --valid 24h --server https://gantry.example.org:6443\n",
      .flags = {{.name = "data-dir", .value = "DIR", .help = "the controller's data directory", .otherwise = {}},
                {.name = "user", .value = "NAME", .help = "who the user is", .otherwise = {}, .sourced = false},
                {.name = "group",
                 .value = "GROUP",
                 .help = "a group of the user; may be given more than once",
                 .otherwise = {},
                 .repeated = true,
                 .sourced = false},
                {.name = "valid", .value = "TIME", .help = "for how long: 24h", .otherwise = "8760h"},
                {.name = "server",
                 .value = "URL",
                 .help = "where the user reaches the API; else as the controller last served it",
                 .otherwise = {}},
                {.name = "out", .value = "FILE", .help = "mode 0600; else standard output", .otherwise = {}}},
      .run = make_kubeconfig};
}

}  // namespace gantry::app
