// What an object refers to by name, read from its spec without knowing its kind:
//   secretRef: {name}, providerRef: {name}, configMapKeyRef: {name, key}, ...   the word before Ref or KeyRef is the
//   kind objectFieldRef: {kind, name, ...}                                           the kind is said dependsOn:
//   [{kind, name, condition}]                                        the kind is said, or is the object's own
// A reference is a dependency: whoever refers is looked at again when the target changes. Any thread.
#pragma once

#include <string>
#include <vector>

#include "controller/object/kind.hpp"
#include "controller/object/object.hpp"

namespace gantry::runtime {

// All in the object's own namespace, each once, sorted. Kinds that are not served are left out.
std::vector<object::Key> references_of(const object::Object& object, const object::KindTable& kinds);
// The same of one that is not stored.
std::vector<object::Key> references_of(const object::Key& owner, const json::Value& object,
                                       const object::KindTable& kinds);

struct Dependency {
  object::Key key;
  std::string kind;       // as the user wrote it
  std::string condition;  // must be True
};
// spec.dependsOn. Entries of kinds that are not served have an empty key.resource.
std::vector<Dependency> dependencies_of(const object::Key& owner, const json::Value& object,
                                        const object::KindTable& kinds);

// A served kind by its name alone ("App", "app"); null when there is none. Our own group is preferred to others.
object::KindPtr kind_by_name(const object::KindTable& kinds, std::string_view name);

}  // namespace gantry::runtime
