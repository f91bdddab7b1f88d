// Writes what a ClusterRole with an aggregationRule gathers into its rules, so that people and other programs can read
// it. Decisions do not wait for that: RoleBook gathers by itself. Front reactor.
#pragma once

#include <memory>

#include "controller/api/access/policy.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::access {

class Aggregation {
 public:
  // plane must outlive it.
  Aggregation(Plane& plane, std::shared_ptr<const Policy> policy);
  ~Aggregation();
  // Brings all up to date once.
  Task<> write_all();
  // Goes on doing so, whenever a ClusterRole changes, until close().
  void start();
  void close();

 private:
  struct State;
  static Task<> follow(std::shared_ptr<State> state);
  static Task<> write_stale(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace gantry::api::access
