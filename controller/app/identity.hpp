// What a data directory needs before anybody can connect: the authority, the serving certificate, the administrator's
// certificate and token, a token for scraping metrics, and a key for hashing. Made at first start; kept.
#pragma once

#include <optional>
#include <string>

#include "controller/api/authenticator.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"
#include "controller/base/random.hpp"
#include "controller/base/tls.hpp"

namespace gantry::app {

struct ServingIdentity {
  tls::Context::Server tls;
  api::Authenticator authenticator;
  std::string authority;  // PEM
  std::string admin_certificate;
  Secret admin_key;
  Secret admin_token;
  Secret signing_key;  // PEM; of ServiceAccount tokens
};

// listen: the address that is served. Throws Error with what to do. Blocks.
ServingIdentity prepare_identity(const std::string& data_dir, const std::string& listen, Clock& clock, Random& random,
                                 api::Authenticator::Options options);

// What is to be served now: as at start, or issued anew when it ends soon. Also renews DIR/kubeconfig's certificate,
// for that URL. For api::http::CertificateWatch; blocks.
tls::Context::Server look_at_certificates(const std::string& data_dir, const std::string& listen,
                                          const std::string& url, Clock& clock);

// A kubeconfig with one context, as YAML. authority is PEM, and empty for plain HTTP; credentials is the user's entry.
std::string kubeconfig_text(const std::string& url, const std::string& authority, const std::string& user,
                            json::Object credentials, const std::string& ns);

// The user's entry for a certificate.
json::Object certificate_entry(const std::string& certificate, const Secret& key);

// DIR/kubeconfig, mode 0600, for that URL.
void write_admin_kubeconfig(const std::string& data_dir, const std::string& url, const ServingIdentity& identity,
                            bool http);

// A key that is made at first start and kept in DIR/NAME, mode 0600.
std::string kept_key(const std::string& data_dir, const std::string& name, Random& random);

}  // namespace gantry::app
