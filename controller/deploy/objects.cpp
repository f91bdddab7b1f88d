#include "controller/deploy/objects.hpp"

#include "controller/base/base64.hpp"

namespace gantry::deploy {
namespace {

constexpr std::string_view kGroup = "gantry.dev";

json::Object metadata(const std::string& name, const std::string& ns, json::Object labels = {}) {
  json::Object meta{{"name", name}, {"namespace", ns}};
  if (!labels.empty()) meta.set("labels", std::move(labels));
  return meta;
}

json::Object labels_of(const std::vector<std::string>& tags) {
  json::Object labels;
  for (const auto& tag : tags) labels.set(std::string(kTag) + tag, "true");
  return labels;
}

Declared ours(std::string_view plural, std::string_view kind, json::Object meta, json::Object spec) {
  const std::string name = meta.find("name")->as_string();
  const std::string ns = meta.find("namespace")->as_string();
  return {key_of(plural, ns, name), json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                                                 {"kind", kind},
                                                 {"metadata", std::move(meta)},
                                                 {"spec", std::move(spec)}}};
}

Declared secret(const std::string& name, const std::string& ns, json::Object data) {
  return {{object::Resource::of("", "secrets"), ns, name},
          json::Object{
              {"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", metadata(name, ns)}, {"data", std::move(data)}}};
}

json::Object reference(std::string_view name) { return {{"name", name}}; }

json::Object source_of(const DeployRequest& request, const std::string& code) {
  switch (request.source) {
    case DeployRequest::Source::Code:
      return {{"code", json::Object{{"upload", code}}}};
    case DeployRequest::Source::Image:
      return {{"image", json::Object{{"ref", request.image}}}};
    case DeployRequest::Source::Git:
      break;
  }
  json::Object git{{"url", request.git_url}};
  if (!request.git_branch.empty()) git.set("ref", request.git_branch);
  if (!request.git_token.empty()) git.set("secretRef", reference(request.app() + "-git"));
  return {{"git", std::move(git)}};
}

json::Object app_spec(const DeployRequest& request, const Places& places, const std::string& code) {
  json::Array servers;
  for (const auto* list : {&places.existing, &places.fresh}) {
    for (const auto& name : *list) servers.emplace_back(reference(name));
  }
  json::Array env;
  for (const auto& [name, value] : request.env) {
    json::Object key{{"name", request.app() + "-env"}, {"key", name}};
    env.emplace_back(json::Object{{"name", name}, {"valueFrom", json::Object{{"secretKeyRef", std::move(key)}}}});
  }
  for (const auto& [name, from] : request.env_from) env.emplace_back(json::Object{{"name", name}, {"valueFrom", from}});
  json::Object spec{{"source", source_of(request, code)},
                    {"runtime", "docker"},
                    {"ports", json::Array{json::Object{{"name", "http"}, {"port", request.port}}}},
                    {"env", std::move(env)}};
  if (!servers.empty()) {
    // One instance on each of them.
    spec.set("replicas", servers.size());
    spec.set("placement", json::Object{{"servers", std::move(servers)}});
  }
  if (!request.dockerfile.empty()) spec.set("build", json::Object{{"dockerfile", request.dockerfile}});
  return spec;
}

}  // namespace

object::Key key_of(std::string_view plural, const std::string& ns, const std::string& name) {
  return {object::Resource::of(kGroup, plural), ns, name};
}

std::vector<Declared> objects_of(const DeployRequest& request, const std::string& ns, const Places& places,
                                 const std::string& code, const std::string& run) {
  std::vector<Declared> objects;
  if (!request.git_token.empty())
    objects.push_back(secret(request.app() + "-git", ns, {{"token", base64_encode(request.git_token.reveal())}}));
  if (!request.env.empty()) {
    json::Object data;
    for (const auto& [name, value] : request.env) data.set(name, base64_encode(value.reveal()));
    objects.push_back(secret(request.app() + "-env", ns, std::move(data)));
  }
  for (const auto& name : places.fresh)
    objects.push_back(server_of(name, ns, places.snapshot, request.region, request.size, request.tags));
  json::Object labels = labels_of(request.tags);
  if (!request.environment.empty()) labels.set("environment", request.environment);
  json::Object meta = metadata(request.app(), ns, std::move(labels));
  meta.set("annotations", json::Object{{"gantry.dev/reconcile-at", run}});
  objects.push_back(ours("apps", "App", std::move(meta), app_spec(request, places, code)));
  return objects;
}

Declared snapshot_of(const ImageBuild& build, const std::string& ns, const std::string& run) {
  const bool base = build.name == kBaseSnapshot;
  json::Object from;
  if (base) {
    from.set("image", build.base.empty() ? "ubuntu-24-04-x64" : build.base);
  } else {
    from.set("snapshotRef", reference(build.base.empty() ? kBaseSnapshot : build.base));
  }
  json::Array packages;
  if (base) packages = {"docker.io", "git", "curl", "ca-certificates"};
  for (const auto& package : build.packages) packages.emplace_back(package);
  json::Object spec{
      {"providerRef", reference(kProvider)}, {"from", std::move(from)}, {"packages", std::move(packages)}};
  if (base) spec.set("regions", json::Array{"*"});
  json::Object builder{{"size", build.size.empty() ? "s-1vcpu-1gb" : build.size}};
  if (!build.region.empty()) builder.set("region", build.region);
  spec.set("builder", std::move(builder));
  json::Object meta = metadata(build.name, ns);
  meta.set("annotations", json::Object{{"gantry.dev/reconcile-at", run}});
  return ours("snapshots", "Snapshot", std::move(meta), std::move(spec));
}

Declared server_of(const std::string& name, const std::string& ns, const std::string& snapshot,
                   const std::string& region, const std::string& size, const std::vector<std::string>& tags) {
  json::Object spec{{"providerRef", reference(kProvider)}, {"size", size}, {"snapshotRef", reference(snapshot)}};
  if (!region.empty()) spec.set("region", region);
  return ours("servers", "Server", metadata(name, ns, labels_of(tags)), std::move(spec));
}

std::vector<Declared> account_of(const Secret& token, const std::string& ns, const std::string& type) {
  const std::string name = std::string(kProvider) + "-token";
  return {secret(name, ns, {{"token", base64_encode(token.reveal())}}),
          ours("providers", "Provider", metadata(std::string(kProvider), ns),
               {{"type", type}, {"credentials", json::Object{{"secretRef", reference(name)}}}})};
}

}  // namespace gantry::deploy
