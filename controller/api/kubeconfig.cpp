#include "controller/api/kubeconfig.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/yaml.hpp"

namespace gantry::api {
namespace {

// A cluster, user or context of some file.
struct Entry {
  json::Value value;
  std::string file;
};

struct Merged {
  std::vector<std::pair<std::string, Entry>> clusters, users, contexts;
  std::string current;
};

const Entry* find(const std::vector<std::pair<std::string, Entry>>& entries, const std::string& name) {
  for (const auto& [key, entry] : entries) {
    if (key == name) return &entry;
  }
  return nullptr;
}

void take(const json::Value& config, std::string_view list, std::string_view field, const std::string& file,
          std::vector<std::pair<std::string, Entry>>& into) {
  const json::Value* entries = config.find(list);
  if (!entries || !entries->is_array()) return;
  for (const auto& entry : entries->as_array()) {
    const std::string name = entry.string_or("name");
    const json::Value* value = entry.find(field);
    if (value && value->is_object() && !find(into, name)) into.push_back({name, {*value, file}});
  }
}

bool take_file(const std::string& file, Merged& merged) {
  const auto text = files::read_file_if_exists(file, 4 << 20);
  if (!text) return false;
  json::Value config;
  try {
    config = yaml::parse(*text);
  } catch (const Error& error) {  // tidy: names the file
    throw Error(ErrorCode::Invalid, file + ": " + error.message());
  }
  if (!config.is_object()) throw Error(ErrorCode::Invalid, file + " is no kubeconfig: it holds no mapping");
  take(config, "clusters", "cluster", file, merged.clusters);
  take(config, "users", "user", file, merged.users);
  take(config, "contexts", "context", file, merged.contexts);
  if (merged.current.empty()) merged.current = config.string_or("current-context");
  return true;
}

// NAME-data holds base64, NAME a path.
std::string inline_or_file(const Entry& entry, const std::string& name) {
  if (const std::string data = entry.value.string_or(name + "-data"); !data.empty()) {
    if (auto bytes = base64_decode(data)) return std::move(*bytes);
    throw Error(ErrorCode::Invalid, entry.file + ": " + name + "-data is not base64");
  }
  const std::string path = entry.value.string_or(name);
  return path.empty() ? std::string() : files::read_file(files::join(files::directory_of(entry.file), path), 1 << 20);
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string names_of(const std::vector<std::pair<std::string, Entry>>& entries) {
  std::string names;
  for (const auto& [name, entry] : entries) names.append(names.empty() ? "" : ", ").append(name);
  return names.empty() ? "there are none" : "there are: " + names;
}

void use_cluster(const Entry& cluster, Kubeconfig& config) {
  config.server = cluster.value.string_or("server");
  if (config.server.empty())
    throw Error(ErrorCode::Invalid, cluster.file + ": the cluster of context \"" + config.context + "\" has no server");
  while (config.server.ends_with('/')) config.server.pop_back();
  config.ca = inline_or_file(cluster, "certificate-authority");
  config.insecure = cluster.value.bool_or("insecure-skip-tls-verify", false);
  config.tls_server_name = cluster.value.string_or("tls-server-name");
  if (!cluster.value.string_or("proxy-url").empty()) {
    throw Error(ErrorCode::Invalid, cluster.file + ": proxy-url is not supported; use kubectl, or a direct address");
  }
}

void use_user(const Entry& user, Kubeconfig& config) {
  for (const char* unsupported : {"exec", "auth-provider", "username"}) {
    if (user.value.find(unsupported)) {
      throw Error(ErrorCode::Invalid, user.file + ": user \"" + config.user + "\" uses " + unsupported +
                                          ", which is not supported here; use a token or a client certificate");
    }
  }
  config.certificate = inline_or_file(user, "client-certificate");
  config.key = Secret(inline_or_file(user, "client-key"));
  config.token = Secret(user.value.string_or("token"));
  const std::string token_file = user.value.string_or("tokenFile");
  if (config.token.empty() && !token_file.empty()) {
    config.token = Secret(trimmed(files::read_file(files::join(files::directory_of(user.file), token_file), 1 << 20)));
  }
  if (config.certificate.empty() != config.key.empty()) {
    throw Error(ErrorCode::Invalid,
                user.file + ": user \"" + config.user + "\" needs both client-certificate and client-key");
  }
}

}  // namespace

std::unique_ptr<tls::Context> Kubeconfig::make_tls() const {
  if (!server.starts_with("https://")) return nullptr;
  return std::make_unique<tls::Context>(
      tls::Context::Client{.ca = ca, .certificate = certificate, .key = key, .insecure = insecure});
}

std::vector<std::string> kubeconfig_files(const std::string& given, const std::optional<std::string>& environment,
                                          const std::string& home) {
  if (!given.empty()) return {given};
  std::vector<std::string> paths;
  std::string_view rest = environment ? std::string_view(*environment) : std::string_view();
  while (!rest.empty()) {
    const std::string_view path = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    if (!path.empty()) paths.emplace_back(path);
  }
  if (paths.empty()) paths.push_back(files::join(home, ".kube/config"));
  return paths;
}

Kubeconfig read_kubeconfig(const std::vector<std::string>& paths, const std::string& context) {
  Merged merged;
  bool any = false;
  std::string tried;
  for (const auto& path : paths) {
    any = take_file(path, merged) || any;
    tried.append(tried.empty() ? "" : ", ").append(path);
  }
  if (!any) {
    throw Error(ErrorCode::NotFound,
                "there is no kubeconfig at " + tried +
                    "; set KUBECONFIG or --kubeconfig to the file that the controller wrote (DIR/kubeconfig)");
  }
  Kubeconfig config;
  config.context = context.empty() ? merged.current : context;
  if (config.context.empty())
    throw Error(ErrorCode::Invalid,
                tried + ": no current-context is set; choose one with --context (" + names_of(merged.contexts) + ")");
  const Entry* chosen = find(merged.contexts, config.context);
  if (!chosen)
    throw Error(ErrorCode::NotFound,
                tried + ": no context \"" + config.context + "\" (" + names_of(merged.contexts) + ")");
  config.ns = chosen->value.string_or("namespace");
  config.user = chosen->value.string_or("user");
  const std::string cluster_name = chosen->value.string_or("cluster");
  const Entry* cluster = find(merged.clusters, cluster_name);
  if (!cluster)
    throw Error(ErrorCode::Invalid, chosen->file + ": context \"" + config.context + "\" names the cluster \"" +
                                        cluster_name + "\", which is not there");
  use_cluster(*cluster, config);
  if (config.user.empty()) return config;
  const Entry* user = find(merged.users, config.user);
  if (!user)
    throw Error(ErrorCode::Invalid, chosen->file + ": context \"" + config.context + "\" names the user \"" +
                                        config.user + "\", which is not there");
  use_user(*user, config);
  return config;
}

std::string to_yaml(const Kubeconfig& config) {
  const std::string name = config.context.empty() ? "gantry" : config.context;
  const std::string user_name = config.user.empty() ? name : config.user;
  json::Object cluster{{"server", config.server}};
  if (!config.ca.empty()) cluster.set("certificate-authority-data", base64_encode(config.ca));
  if (config.insecure) cluster.set("insecure-skip-tls-verify", true);
  if (!config.tls_server_name.empty()) cluster.set("tls-server-name", config.tls_server_name);
  json::Object user;
  if (!config.certificate.empty()) {
    user.set("client-certificate-data", base64_encode(config.certificate));
    user.set("client-key-data", base64_encode(config.key.reveal()));
  }
  if (!config.token.empty()) user.set("token", config.token.reveal());
  json::Object context{{"cluster", name}, {"user", user_name}};
  if (!config.ns.empty()) context.set("namespace", config.ns);
  const auto list = [](const std::string& entry, std::string_view field, json::Object value) {
    return json::Array{json::Value(json::Object{{"name", entry}, {std::string(field), std::move(value)}})};
  };
  return yaml::dump(json::Object{{"apiVersion", "v1"},
                                 {"kind", "Config"},
                                 {"clusters", list(name, "cluster", std::move(cluster))},
                                 {"users", list(user_name, "user", std::move(user))},
                                 {"contexts", list(name, "context", std::move(context))},
                                 {"current-context", name}});
}

}  // namespace gantry::api
