// gantry_resource_condition: what each object's conditions say. One series for each status of each condition of each
// object, so only the first objects of a kind have them: a hundred thousand would cost more than the objects
// themselves.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/base/metrics.hpp"
#include "controller/object/key.hpp"

namespace gantry::runtime {

class ConditionMetrics {
 public:
  explicit ConditionMetrics(std::string kind, std::size_t objects_max = 500)
      : kind_(std::move(kind)), objects_max_(objects_max) {}
  ~ConditionMetrics();

  // object: as decoded, status included.
  void record(const object::Key& key, const json::Value& object);
  void forget(const object::Key& key);
  // Whether record() would do anything, asked before decoding.
  bool wants(const object::Key& key) const { return shown_.size() < objects_max_ || shown_.contains(key); }

 private:
  using Shown = std::vector<std::pair<std::string, std::string>>;  // type, status
  metrics::Labels labels(const object::Key& key, const std::string& type, const std::string& status) const;
  void withdraw(const object::Key& key, const std::string& type);

  std::string kind_;
  std::size_t objects_max_;
  std::unordered_map<object::Key, Shown, object::KeyHash> shown_;
};

}  // namespace gantry::runtime
