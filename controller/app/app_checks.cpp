#include "controller/app/app_checks.hpp"

#include <algorithm>

#include "reconcilers/app/admission.hpp"
#include "reconcilers/app/schedule.hpp"

namespace gantry::app {
namespace {

namespace apps = reconcilers::app;

bool same_at(const json::Value& a, const json::Value* b, std::string_view field) {
  const json::Value* before = b ? b->at({"spec", field}) : nullptr;
  const json::Value* now = a.at({"spec", field});
  return before && now ? *before == *now : before == now;
}

std::string identity(const json::Value& app) {
  const json::Value* metadata = app.find("metadata");
  return metadata ? metadata->string_or("namespace") + "/" + metadata->string_or("name") : "";
}

// Only those whose bytes hold one of the names are decoded: there may be thousands of Apps.
void refuse_taken_routes(const store::Store& store, const api::Review& review, std::vector<FieldError>& causes) {
  const auto hosts = apps::hosts_of(review.object);
  const std::string self = identity(review.object);
  store::ListOptions options;
  options.matches = [&](const object::Object& object) {
    return std::ranges::any_of(hosts, [&](const std::string& host) {
      return std::string_view(object.bytes()).find("\"" + host + "\"") != std::string_view::npos;
    });
  };
  for (const auto& found : store.list(review.kind.resource, options).items) {
    const json::Value other = found->decode();
    if (identity(other) == self || found->meta().deleting) continue;
    for (auto& cause : apps::conflicts_between(review.object, other)) causes.push_back(std::move(cause));
  }
}

}  // namespace

void refuse_impossible_apps(api::Api& api, const store::Store& store) {
  api.add_check(object::Resource::of("gantry.dev", "apps"),
                [&store](const api::Review& review, std::vector<FieldError>& causes) {
                  // What was accepted stays acceptable, so that status and metadata of old objects can be written.
                  bool same = true;
                  for (const auto* field : {"routes", "ports", "strategy", "volumes", "replicas", "schedules"})
                    same = same && same_at(review.object, review.old, field);
                  if (same) return;
                  if (!same_at(review.object, review.old, "schedules")) apps::check_schedules(review.object, causes);
                  for (auto& cause : apps::mistakes_of(review.object)) causes.push_back(std::move(cause));
                  if (!apps::hosts_of(review.object).empty() && !same_at(review.object, review.old, "routes"))
                    refuse_taken_routes(store, review, causes);
                });
}

}  // namespace gantry::app
