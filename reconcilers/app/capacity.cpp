#include "reconcilers/app/capacity.hpp"

#include <algorithm>

#include "controller/object/quantity.hpp"

namespace gantry::reconcilers::app {
namespace {

constexpr std::size_t kNamed = 5;

struct Resource {
  const char* field;
  const char* what;
  std::int64_t Demand::* of;
  std::string (*text)(std::int64_t);
};

// For people: what is not a round number is rounded to one that can be read.
std::string bytes_text(std::int64_t bytes) {
  constexpr std::int64_t kMi = 1 << 20;
  if (bytes % kMi == 0) return object::format_bytes(bytes);
  return std::to_string(bytes / kMi) + "Mi";
}

std::string sum_text(const Resource& resource, std::vector<Demand> others, std::int64_t sum) {
  if (sum == 0) return "no other App has a limit here";
  std::ranges::sort(others, [&](const Demand& a, const Demand& b) {
    return a.*resource.of * a.replicas > b.*resource.of * b.replicas;
  });
  std::string names;
  std::size_t named = 0;
  for (const auto& other : others) {
    const std::int64_t use = other.*resource.of * other.replicas;
    if (use == 0 || named == kNamed) continue;
    ++named;
    names += (names.empty() ? "" : ", ") + other.name + " " + resource.text(use);
  }
  return "others may use " + resource.text(sum) + " (" + names + (named == kNamed ? ", ..." : "") + ")";
}

}  // namespace

Demand demand_of(const json::Value& app) {
  Demand demand;
  if (const json::Value* metadata = app.find("metadata"))
    demand.name = metadata->string_or("namespace") + "/" + metadata->string_or("name");
  const json::Value* spec = app.find("spec");
  if (!spec) return demand;
  demand.replicas = spec->int_or("replicas", 1);
  if (const json::Value* scaling = spec->find("scaling"))
    demand.replicas = std::max(demand.replicas, scaling->int_or("maxReplicas", 0));
  if (const json::Value* resources = spec->find("resources")) {
    if (const json::Value* cpu = resources->find("cpu")) demand.cpu_millis = object::milli_of(*cpu);
    if (const json::Value* memory = resources->find("memory")) demand.memory_bytes = object::units_of(*memory);
  }
  return demand;
}

bool runs_here(const json::Value& app) {
  const json::Value* placement = app.at({"spec", "placement"});
  return !placement || !placement->is_object() || placement->as_object().empty();
}

std::vector<FieldError> what_does_not_fit(const Demand& wanted, const std::vector<Demand>& others,
                                          const Capacity& capacity) {
  std::vector<FieldError> causes;
  const auto judge = [&](const Resource& resource, std::int64_t machine, std::int64_t reserve, std::int64_t promised) {
    const std::int64_t has = machine * promised;
    const std::int64_t one = wanted.*resource.of;
    if (has == 0 || one == 0) return;
    std::int64_t sum = 0;
    for (const auto& other : others) sum += other.*resource.of * other.replicas;
    const std::int64_t asks = one * wanted.replicas;
    const std::int64_t free = has - reserve - sum;
    if (asks <= free) return;
    const auto text = resource.text;
    causes.push_back(
        {"FieldValueInvalid", resource.field,
         "Invalid value: \"" + text(one) + "\": " + std::to_string(wanted.replicas) + " x " + text(one) + " = " +
             text(asks) + " of " + resource.what + " do not fit: this machine has " + text(machine) +
             (promised > 1 ? ", which may be promised " + std::to_string(promised) + " times" : std::string()) + ", " +
             text(reserve) + " of it are kept for itself, and " + sum_text(resource, others, sum) + "; " +
             text(asks - free) +
             " are missing. Lower the limit or the replicas, or annotate gantry.dev/allow-overcommit: \"true\""});
  };
  judge({"spec.resources.cpu", "CPU", &Demand::cpu_millis, object::format_milli}, capacity.cpu_millis,
        capacity.reserve_cpu_millis, capacity.cpu_promised);
  judge({"spec.resources.memory", "memory", &Demand::memory_bytes, bytes_text}, capacity.memory_bytes,
        capacity.reserve_memory_bytes, 1);
  return causes;
}

}  // namespace gantry::reconcilers::app
