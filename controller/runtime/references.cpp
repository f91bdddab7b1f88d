#include "controller/runtime/references.hpp"

#include <algorithm>
#include <cctype>

#include "controller/base/raw_json.hpp"

namespace gantry::runtime {
namespace {

using object::Key;

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

class Walk {
 public:
  Walk(const Key& owner, const object::KindTable& kinds) : owner_(owner), kinds_(kinds) {}

  void value(const json::Value& value) {
    if (value.is_array()) {
      for (const auto& item : value.as_array()) this->value(item);
    } else if (value.is_object()) {
      for (const auto& [name, member] : value.as_object()) {
        if (name.ends_with("Ref") && member.is_object()) reference(name, member);
        this->value(member);
      }
    }
  }

  void add(const object::KindPtr& kind, std::string name) {
    if (!kind || name.empty()) return;
    found_.push_back({kind->resource, kind->namespaced ? owner_.ns : std::string(), std::move(name)});
  }

  std::vector<Key> finish() && {
    std::ranges::sort(found_);
    found_.erase(std::ranges::unique(found_).begin(), found_.end());
    return std::move(found_);
  }

 private:
  void reference(std::string_view member, const json::Value& target) {
    std::string_view word = member.substr(0, member.size() - 3);
    if (word.ends_with("Key")) word.remove_suffix(3);
    const std::string kind = target.string_or("kind", word);
    add(kind_by_name(kinds_, kind), target.string_or("name"));
  }

  const Key& owner_;
  const object::KindTable& kinds_;
  std::vector<Key> found_;
};

}  // namespace

object::KindPtr kind_by_name(const object::KindTable& kinds, std::string_view name) {
  object::KindPtr found;
  for (const auto& kind : kinds.all()) {
    if (!equal_without_case(kind->kind, name)) continue;
    if (kind->group == "gantry.dev") return kind;
    if (!found) found = kind;
  }
  return found;
}

std::vector<Dependency> dependencies_of(const Key& owner, const json::Value& object, const object::KindTable& kinds) {
  std::vector<Dependency> all;
  const json::Value* list = object.at({"spec", "dependsOn"});
  if (!list || !list->is_array()) return all;
  for (const auto& item : list->as_array()) {
    const object::KindPtr own = kinds.find(owner.resource);
    Dependency dependency;
    dependency.kind = item.string_or("kind", own ? own->kind : std::string());
    dependency.condition = item.string_or("condition", "Ready");
    const object::KindPtr kind = kind_by_name(kinds, dependency.kind);
    dependency.key.name = item.string_or("name");
    if (kind) {
      dependency.key.resource = kind->resource;
      if (kind->namespaced) dependency.key.ns = owner.ns;
    }
    all.push_back(std::move(dependency));
  }
  return all;
}

std::vector<Key> references_of(const object::Object& object, const object::KindTable& kinds) {
  // Most objects refer to nothing, and need not be decoded to see that.
  const std::string_view spec = json::raw_at(object.bytes(), {"spec"});
  if (spec.find("Ref\":{") == std::string_view::npos && spec.find("\"dependsOn\":") == std::string_view::npos)
    return {};
  return references_of(object.key(), json::Object{{"spec", json::parse(spec)}}, kinds);
}

std::vector<Key> references_of(const Key& owner, const json::Value& object, const object::KindTable& kinds) {
  Walk walk(owner, kinds);
  if (const json::Value* spec = object.find("spec")) walk.value(*spec);
  for (auto& dependency : dependencies_of(owner, object, kinds)) {
    walk.add(kinds.find(dependency.key.resource), std::move(dependency.key.name));
  }
  return std::move(walk).finish();
}

}  // namespace gantry::runtime
