#include "controller/app/identity.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/files.hpp"
#include "controller/base/json.hpp"
#include "controller/base/jws.hpp"
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

Secret kept_signing_key(const std::string& data_dir) {
  const std::string path = files::join(data_dir, "pki/service-accounts.key");
  if (auto pem = files::read_file_if_exists(path, 1 << 16)) {
    if (files::readable_by_others(path))
      throw Error(ErrorCode::Forbidden,
                  path + " can be read by others; chmod 600 it, or remove it (tokens of ServiceAccounts end then)");
    return Secret(std::move(*pem));
  }
  Secret key = SigningKey::generate();
  files::write_file_atomically(path, key.reveal(), kPrivate);
  return key;
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
                           {},
                           kept_signing_key(data_dir)};

  identity.admin_token = kept_token(data_dir, "admin.token", random);
  const Secret metrics_token = kept_token(data_dir, "metrics.token", random);
  log::redact(identity.admin_token.reveal());
  log::redact(metrics_token.reveal());
  identity.authenticator.add_token(identity.admin_token.reveal(), {"gantry-admin", "", {"system:masters"}});
  identity.authenticator.add_token(metrics_token.reveal(), {"gantry-metrics", "", {"system:monitoring"}});

  const std::string tokens = files::join(data_dir, "tokens.csv");
  if (const auto csv = files::read_file_if_exists(tokens, 1 << 20)) {
    if (files::readable_by_others(tokens))
      throw Error(ErrorCode::Forbidden, tokens + " can be read by others; chmod 600 it");
    identity.authenticator.read_tokens(*csv);
  }
  return identity;
}

std::string kubeconfig_text(const std::string& url, const std::string& authority, const std::string& user,
                            json::Object credentials, const std::string& ns) {
  json::Object cluster{{"server", url}};
  if (!authority.empty()) cluster.set("certificate-authority-data", base64_encode(authority));
  return yaml::dump(json::Value(json::Object{
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters", json::Array{named("gantry", "cluster", std::move(cluster))}},
      {"users", json::Array{named(user, "user", std::move(credentials))}},
      {"contexts",
       json::Array{named("gantry", "context", json::Object{{"cluster", "gantry"}, {"user", user}, {"namespace", ns}})}},
      {"current-context", "gantry"}}));
}

json::Object certificate_entry(const std::string& certificate, const Secret& key) {
  return {{"client-certificate-data", base64_encode(certificate)}, {"client-key-data", base64_encode(key.reveal())}};
}

tls::Context::Server look_at_certificates(const std::string& data_dir, const std::string& listen,
                                          const std::string& url, Clock& clock) {
  pki::Folder folder(files::join(data_dir, "pki"), clock);
  const auto before = files::read_file_if_exists(files::join(data_dir, "pki/admin.crt"), 1 << 20);
  const pki::Credential admin = folder.client("admin", "gantry-admin", {"system:masters"});
  if (!before || *before != admin.certificate) {
    files::write_file_atomically(files::join(data_dir, "kubeconfig"),
                                 kubeconfig_text(url, folder.authority_certificate(), "gantry-admin",
                                                 certificate_entry(admin.certificate, admin.key), "default"),
                                 kPrivate);
  }
  const pki::Credential serving = folder.serving(pki::serving_names(listen));
  return {serving.certificate, serving.key, folder.authority_certificate()};
}

void write_admin_kubeconfig(const std::string& data_dir, const std::string& url, const ServingIdentity& identity,
                            bool http) {
  // Without TLS there is no certificate to show; kubectl sends tokens over plain HTTP to loopback only when told to.
  json::Object credentials = http ? json::Object{{"token", identity.admin_token.reveal()}}
                                  : certificate_entry(identity.admin_certificate, identity.admin_key);
  files::write_file_atomically(files::join(data_dir, "kubeconfig"),
                               kubeconfig_text(url, http ? std::string() : identity.authority, "gantry-admin",
                                               std::move(credentials), "default"),
                               kPrivate);
}

}  // namespace gantry::app
