#include "providers/source/git_checkout.hpp"

#include "controller/base/json.hpp"
#include "providers/source/git_work.hpp"

namespace gantry::providers::source {
namespace {

json::Object order(std::string call, const std::string& directory) {
  return json::Object{{"call", std::move(call)}, {"directory", directory}};
}

void add_remote(json::Object& order, const std::string& url, const std::string& ref,
                const GitCredentials& credentials) {
  order.set("url", url);
  order.set("ref", ref);
  order.set("username", credentials.username);
  order.set("password", credentials.password.reveal());
  order.set("sshPrivateKey", credentials.ssh_private_key.reveal());
}

const std::string& text(const json::Value& answer, std::string_view name) {
  return answer.as_object().find(name)->as_string();
}

}  // namespace

Checkout GitCheckout::fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials) {
  json::Object asked = order("fetch", directory_);
  add_remote(asked, url, ref, credentials);
  const json::Value answer = do_git_work(std::move(asked), limit_);
  return {text(answer, "commit"), text(answer, "folder")};
}

GitPlace GitCheckout::look(const std::string& url, const std::string& ref, const std::string& path,
                           const GitCredentials& credentials) {
  json::Object asked = order("look", directory_);
  add_remote(asked, url, ref, credentials);
  asked.set("path", path);
  const json::Value answer = do_git_work(std::move(asked), limit_);
  return {text(answer, "commit"), text(answer, "tree")};
}

void GitCheckout::write(const GitPlace& place, const std::string& folder) {
  json::Object asked = order("write", directory_);
  asked.set("commit", place.commit);
  asked.set("tree", place.tree);
  asked.set("folder", folder);
  do_git_work(std::move(asked), limit_);
}

}  // namespace gantry::providers::source
