#include "controller/runtime/cycles.hpp"

#include <set>

#include "controller/runtime/references.hpp"

namespace gantry::runtime {
namespace {

using object::Key;

// Follows spec.dependsOn through what is stored, and notes the way.
class Search {
 public:
  Search(const object::KindTable& kinds, const store::Store& store, Key goal)
      : kinds_(kinds), store_(store), goal_(std::move(goal)) {}

  bool reaches_goal(const Key& from) {
    way_.push_back(name_of(from));
    if (from == goal_) return true;
    if (visited_.insert(from).second) {
      if (const object::ObjectPtr object = store_.find(from)) {
        for (const auto& dependency : dependencies_of(from, object->decode(), kinds_)) {
          if (dependency.key.resource && reaches_goal(dependency.key)) return true;
        }
      }
    }
    way_.pop_back();
    return false;
  }

  std::string way() const {
    std::string text = name_of(goal_);
    for (const auto& step : way_) text += " -> " + step;
    return text;
  }

 private:
  std::string name_of(const Key& key) const {
    const object::KindPtr kind = kinds_.find(key.resource);
    return (kind ? kind->kind : std::string(key.resource.plural())) + "/" + key.name;
  }

  const object::KindTable& kinds_;
  const store::Store& store_;
  Key goal_;
  std::set<Key> visited_;
  std::vector<std::string> way_;
};

}  // namespace

void refuse_cycles(api::Api& api, const object::KindTable& kinds, const store::Store& store) {
  for (const auto& kind : kinds.all()) {
    if (kind->is_core()) continue;
    api.add_check(kind->resource, [&kinds, &store](const api::Review& review, std::vector<FieldError>& causes) {
      const json::Value* wanted = review.object.at({"spec", "dependsOn"});
      const json::Value* before = review.old ? review.old->at({"spec", "dependsOn"}) : nullptr;
      if (!wanted || (before && *before == *wanted)) return;
      const Key self{review.kind.resource,
                     review.kind.namespaced ? review.object.text_at({"metadata", "namespace"}) : std::string(),
                     review.object.text_at({"metadata", "name"})};
      const auto dependencies = dependencies_of(self, review.object, kinds);
      for (std::size_t i = 0; i < dependencies.size(); ++i) {
        Search search(kinds, store, self);
        if (!dependencies[i].key.resource || !search.reaches_goal(dependencies[i].key)) continue;
        causes.push_back(
            {"FieldValueInvalid", "spec.dependsOn[" + std::to_string(i) + "]",
             "Invalid value: \"" + dependencies[i].key.name + "\": it would depend on itself: " + search.way()});
      }
    });
  }
}

}  // namespace gantry::runtime
