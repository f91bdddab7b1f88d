#include "controller/app/app_capacity.hpp"

#include <algorithm>

#include "controller/object/quantity.hpp"
#include "providers/local/machine_usage.hpp"

namespace gantry::app {
namespace {

namespace apps = reconcilers::app;

constexpr std::int64_t kMemoryKept = 256 << 20;

bool same(const apps::Demand& a, const apps::Demand& b) {
  return a.replicas * a.cpu_millis == b.replicas * b.cpu_millis &&
         a.replicas * a.memory_bytes == b.replicas * b.memory_bytes;
}

}  // namespace

apps::Capacity capacity_of_this_machine(const std::string& reserve_cpu, const std::string& reserve_memory) {
  const auto machine = providers::local::MachineUsage("/").read();
  apps::Capacity capacity;
  capacity.cpu_millis = machine.cpu_millis;
  capacity.memory_bytes = machine.memory_bytes;
  capacity.cpu_promised = reserve_cpu.empty() ? 2 : 1;
  capacity.reserve_cpu_millis = reserve_cpu.empty() ? 0 : object::parse_milli(reserve_cpu);
  capacity.reserve_memory_bytes =
      reserve_memory.empty() ? std::max(machine.memory_bytes / 10, kMemoryKept) : object::parse_units(reserve_memory);
  return capacity;
}

void refuse_overcommitment(api::Api& api, const store::Store& store, apps::Capacity capacity) {
  api.add_check(object::Resource::of("gantry.dev", "apps"), [&store, capacity](const api::Review& review,
                                                                               std::vector<FieldError>& causes) {
    const json::Value* allowed = review.object.at({"metadata", "annotations", "gantry.dev/allow-overcommit"});
    if (!apps::runs_here(review.object) || (allowed && allowed->is_string() && allowed->as_string() == "true")) return;
    apps::Demand wanted;
    try {
      wanted = apps::demand_of(review.object);
    } catch (const Error&) {  // the schema has said what is wrong with the quantity
      return;
    }
    if (wanted.cpu_millis == 0 && wanted.memory_bytes == 0) return;
    // What was accepted stays acceptable, so that the rest of an old object can be written.
    if (review.old && apps::runs_here(*review.old) && same(apps::demand_of(*review.old), wanted)) return;
    std::vector<apps::Demand> others;
    store::ListOptions options;
    options.matches = [](const object::Object& object) {
      return std::string_view(object.bytes()).find("\"resources\"") != std::string_view::npos;
    };
    for (const auto& found : store.list(review.kind.resource, options).items) {
      const json::Value other = found->decode();
      if (!apps::runs_here(other)) continue;
      apps::Demand demand = apps::demand_of(other);
      if (demand.name != wanted.name) others.push_back(std::move(demand));
    }
    for (auto& cause : apps::what_does_not_fit(wanted, others, capacity)) causes.push_back(std::move(cause));
  });
}

}  // namespace gantry::app
