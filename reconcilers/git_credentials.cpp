#include "reconcilers/git_credentials.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"

namespace gantry::reconcilers {
namespace {

std::string decoded(const json::Value& secret, const char* key) {
  const json::Value* value = secret.at({"data", key});
  if (!value || !value->is_string()) return {};
  std::string out = base64_decode(value->as_string()).value_or(std::string());
  while (out.ends_with('\n') && std::string_view(key) != "ssh-privatekey") out.pop_back();
  log::redact(out);
  return out;
}

}  // namespace

Task<providers::source::GitCredentials> git_credentials(api::Client& client, std::string ns, std::string secret,
                                                        std::string field) {
  providers::source::GitCredentials credentials;
  if (secret.empty()) co_return credentials;
  const auto object = co_await client.find({object::Resource::of("", "secrets"), ns, secret});
  if (!object) throw Error(ErrorCode::NotFound, "Secret \"" + secret + "\" of " + field + " does not exist");
  const json::Value json = object->decode();
  credentials.username = decoded(json, "username");
  std::string password = decoded(json, "password");
  if (password.empty()) password = decoded(json, "token");
  credentials.password = Secret(std::move(password));
  credentials.ssh_private_key = Secret(decoded(json, "ssh-privatekey"));
  co_return credentials;
}

}  // namespace gantry::reconcilers
