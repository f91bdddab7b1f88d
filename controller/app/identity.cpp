#include "controller/app/identity.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/files.hpp"
#include "controller/base/json.hpp"
#include "controller/base/log.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/yaml.hpp"

namespace gantry::app {
namespace {

constexpr mode_t kPrivate = 0600;

// DIR/NAME holds one token, made at first start.
Secret kept_token(const std::string& data_dir, const std::string& name, Random& random) {
  const std::string path = files::join(data_dir, name);
  if (auto text = files::read_file_if_exists(path, 4096)) {
    if (files::readable_by_others(path))
      throw Error(ErrorCode::Forbidden,
                  path + " can be read by others; chmod 600 it, or remove it to have a new one made");
    while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
    if (!text->empty()) return Secret(std::move(*text));
  }
  Secret token = pki::new_token(random);
  files::write_file_atomically(path, token.reveal(), kPrivate);
  return token;
}

json::Value named(const std::string& name, const std::string& field, json::Object value) {
  return json::Object{{"name", name}, {field, std::move(value)}};
}

}  // namespace

std::string kept_key(const std::string& data_dir, const std::string& name, Random& random) {
  return kept_token(data_dir, name, random).reveal();
}

ServingIdentity prepare_identity(const std::string& data_dir, const std::string& listen, Clock& clock, Random& random,
                                 api::Authenticator::Options options) {
  pki::Folder folder(files::join(data_dir, "pki"), clock);
  const pki::Credential serving = folder.serving(pki::serving_names(listen));
  const pki::Credential admin = folder.client("admin", "gantry-admin", {"system:masters"});
  ServingIdentity identity{{serving.certificate, serving.key, folder.authority_certificate()},
                           api::Authenticator(std::move(options)),
                           folder.authority_certificate(),
                           admin.certificate,
                           admin.key,
                           {}};

  identity.admin_token = kept_token(data_dir, "admin.token", random);
  const Secret metrics_token = kept_token(data_dir, "metrics.token", random);
  log::redact(identity.admin_token.reveal());
  log::redact(metrics_token.reveal());
  identity.authenticator.add_token(identity.admin_token.reveal(), {"gantry-admin", "", {"system:masters"}});
  identity.authenticator.add_token(metrics_token.reveal(), {"gantry-metrics", "", {"gantry:metrics"}});

  const std::string tokens = files::join(data_dir, "tokens.csv");
  if (const auto csv = files::read_file_if_exists(tokens, 1 << 20)) {
    if (files::readable_by_others(tokens))
      throw Error(ErrorCode::Forbidden, tokens + " can be read by others; chmod 600 it");
    identity.authenticator.read_tokens(*csv);
  }
  return identity;
}

void write_admin_kubeconfig(const std::string& data_dir, const std::string& url, const ServingIdentity& identity,
                            bool http) {
  json::Object cluster{{"server", url}};
  json::Object user;
  if (http) {
    // Without TLS there is no certificate to show; kubectl sends tokens over plain HTTP to loopback only when told to.
    user.set("token", identity.admin_token.reveal());
  } else {
    cluster.set("certificate-authority-data", base64_encode(identity.authority));
    user.set("client-certificate-data", base64_encode(identity.admin_certificate));
    user.set("client-key-data", base64_encode(identity.admin_key.reveal()));
  }
  const json::Value config{json::Object{
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters", json::Array{named("gantry", "cluster", std::move(cluster))}},
      {"users", json::Array{named("gantry-admin", "user", std::move(user))}},
      {"contexts",
       json::Array{named("gantry", "context",
                         json::Object{{"cluster", "gantry"}, {"user", "gantry-admin"}, {"namespace", "default"}})}},
      {"current-context", "gantry"}}};
  files::write_file_atomically(files::join(data_dir, "kubeconfig"), yaml::dump(config), kPrivate);
}

}  // namespace gantry::app
