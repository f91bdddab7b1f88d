// Which objects stand in relation to another: a many-to-many between objects of one cache and the things they name
// (an owner's uid, a key they refer to). One reactor's thread.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/object/key.hpp"

namespace gantry::runtime {

template <class Name, class Hash = std::hash<Name>>
class Index {
 public:
  using Names = std::vector<Name>;

  // What `key` names from now on; empty: nothing.
  void set(const object::Key& key, Names names) {
    if (const auto found = names_of_.find(key); found != names_of_.end()) {
      if (found->second == names) return;
      for (const Name& name : found->second) {
        const auto keys = keys_of_.find(name);
        keys->second.erase(key);
        if (keys->second.empty()) keys_of_.erase(keys);
      }
      if (names.empty()) {
        names_of_.erase(found);
        return;
      }
      found->second = std::move(names);
      add(key, found->second);
    } else if (!names.empty()) {
      add(key, names_of_.emplace(key, std::move(names)).first->second);
    }
  }

  // In the order of keys, so that a run can be repeated.
  std::vector<object::Key> keys_of(const Name& name) const {
    std::vector<object::Key> keys;
    if (const auto found = keys_of_.find(name); found != keys_of_.end()) {
      keys.assign(found->second.begin(), found->second.end());
      std::sort(keys.begin(), keys.end());
    }
    return keys;
  }

  const Names& names_of(const object::Key& key) const {
    static const Names kNone;
    const auto found = names_of_.find(key);
    return found == names_of_.end() ? kNone : found->second;
  }

 private:
  void add(const object::Key& key, const Names& names) {
    for (const Name& name : names) keys_of_[name].insert(key);
  }

  std::unordered_map<object::Key, Names, object::KeyHash> names_of_;
  std::unordered_map<Name, std::unordered_set<object::Key, object::KeyHash>, Hash> keys_of_;
};

}  // namespace gantry::runtime
