#include "controller/runtime/dependencies.hpp"

#include <algorithm>
#include <set>

#include "controller/runtime/informer.hpp"
#include "controller/runtime/references.hpp"
#include "controller/runtime/status_writer.hpp"

namespace gantry::runtime {
namespace {

bool passed_the_gate(const Subject& subject) {
  const json::Value* status = subject.json.find("status");
  if (!status || status->int_or("observedGeneration", 0) != subject.meta().generation) return false;
  const json::Value* synced = find_condition(subject.json, "Synced");
  const std::string reason = synced ? synced->string_or("reason") : "Pending";
  return reason != "DependencyNotReady" && reason != "ReferenceNotFound" && reason != "Pending" && reason != "Paused";
}

bool is_true_now(const object::Object& object, std::string_view condition) {
  const json::Value value = object.decode();
  const json::Value* found = find_condition(value, condition);
  if (!found || found->string_or("status") != "True") return false;
  // What was true of an older spec says nothing about this one.
  return found->int_or("observedGeneration", object.meta().generation) >= object.meta().generation;
}

std::vector<Key> depends_on(const Context& context, const Key& key) {
  std::vector<Key> keys;
  if (const ObjectPtr object = context.informers.find(key)) {
    for (auto& dependency : dependencies_of(key, object->decode(), context.kinds))
      keys.push_back(std::move(dependency.key));
  }
  return keys;
}

bool leads_to(const Context& context, const Key& from, const Key& to, std::set<Key>& visited) {
  if (!visited.insert(from).second) return false;
  const std::vector<Key> next = depends_on(context, from);
  return std::ranges::any_of(next, [&](const Key& key) { return key == to || leads_to(context, key, to, visited); });
}

}  // namespace

std::optional<Obstacle> unmet_dependency(const Context& context, const Subject& subject) {
  if (!subject.json.at({"spec", "dependsOn"}) || passed_the_gate(subject)) return {};
  for (const auto& dependency : dependencies_of(subject.key(), subject.json, context.kinds)) {
    const std::string what = dependency.kind + "/" + dependency.key.name;
    if (!dependency.key.resource) {
      return Obstacle{"ReferenceNotFound",
                      "spec.dependsOn names " + what + ", but no kind " + dependency.kind + " is served"};
    }
    const ObjectPtr target = context.informers.find(dependency.key);
    if (!target) {
      return Obstacle{"ReferenceNotFound", what + " does not exist in namespace " + subject.key().ns +
                                               "; this goes on by itself when it does"};
    }
    if (!is_true_now(*target, dependency.condition)) {
      return Obstacle{"DependencyNotReady", "waiting for " + what + " to be " + dependency.condition};
    }
  }
  return {};
}

std::optional<Obstacle> remaining_dependent(const Context& context, const Subject& subject) {
  for (const Key& user : context.informers.referring_to(subject.key())) {
    if (user == subject.key()) continue;
    const std::vector<Key> needs = depends_on(context, user);
    if (std::ranges::find(needs, subject.key()) == needs.end()) continue;
    std::set<Key> visited;
    if (leads_to(context, subject.key(), user, visited)) continue;
    const object::KindPtr kind = context.kinds.find(user.resource);
    const std::string what = (kind ? kind->kind : std::string(user.resource.plural())) + "/" + user.name;
    return Obstacle{"DependentsExist",
                    what + " depends on this and must go first: delete it, or take this out of its spec.dependsOn"};
  }
  return {};
}

}  // namespace gantry::runtime
