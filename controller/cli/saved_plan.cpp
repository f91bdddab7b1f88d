#include "controller/cli/saved_plan.hpp"

#include "controller/base/files.hpp"
#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kKind = "GantrySavedPlan";

}  // namespace

void save_plan(Context& context, const std::string& file, const std::vector<Manifest>& manifests,
               const std::vector<std::string>& live) {
  json::Array objects;
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    objects.push_back(json::Object{{"object", manifests[i].object}, {"resourceVersion", live[i]}});
  }
  const json::Value plan =
      json::Object{{"kind", kKind}, {"server", context.server().address()}, {"objects", std::move(objects)}};
  // Manifests may hold Secrets.
  files::write_file_atomically(file, json::dump(plan) + "\n", 0600);
}

std::vector<Manifest> manifests_of_plan(Context& context, const std::string& file) {
  const json::Value plan = json::parse(files::read_file(file, 256 << 20));
  const json::Value* objects = plan.find("objects");
  if (plan.string_or("kind") != kKind || !objects)
    throw Error(ErrorCode::Invalid, file + " was not written by gantry plan --out");
  if (plan.string_or("server") != context.server().address()) {
    throw Error(ErrorCode::Forbidden, file + " is a plan for " + plan.string_or("server") + ", not for " +
                                          context.server().address() + "; nothing was changed");
  }
  std::vector<Manifest> manifests;
  std::vector<Request> reads;
  for (const json::Value& entry : objects->as_array()) {
    Manifest manifest;
    manifest.source = file;
    manifest.object = *entry.find("object");
    manifest.resource =
        context.discovery().of_kind(manifest.object.string_or("apiVersion"), manifest.object.string_or("kind"));
    manifest.ns = metadata_of(manifest.object, "namespace");
    manifest.name = metadata_of(manifest.object, "name");
    reads.push_back({.path = manifest.path()});
    manifests.push_back(std::move(manifest));
  }
  const std::vector<Response> now = context.server().send_all(reads);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!now[i].ok() && now[i].status != 404) throw now[i].error();
    const std::string revision = now[i].ok() ? metadata_of(now[i].json(), "resourceVersion") : "";
    if (revision == objects->as_array()[i].string_or("resourceVersion")) continue;
    throw Error(ErrorCode::Forbidden, manifests[i].label() +
                                          " has changed since the plan was made; nothing was changed. "
                                          "Make a new plan: gantry plan -f ... --out " +
                                          file);
  }
  return manifests;
}

}  // namespace gantry::cli
