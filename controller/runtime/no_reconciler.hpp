// For kinds that are served before anybody can make them real: says so, instead of silence.
#pragma once

#include "controller/runtime/reconciler.hpp"

namespace gantry::runtime {

class NoReconciler final : public Reconciler {
 public:
  // kind: as people write it.
  explicit NoReconciler(std::string kind) : kind_(std::move(kind)) {}

  Task<SeenPtr> observe(const Subject& subject) override;
  Plan plan(const Subject& subject, const Seen& seen) override;
  Task<> act(const Subject& subject, const Seen& seen, const Action& action, Notes& notes) override;
  Report report(const Subject& subject, const Seen& seen, const Plan& plan) override;
  bool holds_real_things() const override { return false; }

 private:
  std::string kind_;
};

}  // namespace gantry::runtime
