#include "controller/runtime/no_reconciler.hpp"

#include "controller/base/error.hpp"

namespace gantry::runtime {

Task<SeenPtr> NoReconciler::observe(const Subject&) { co_return std::make_shared<Seen>(); }

Plan NoReconciler::plan(const Subject&, const Seen&) { return {}; }

Task<> NoReconciler::act(const Subject&, const Seen&, const Action&, Notes&) {
  throw Error(ErrorCode::Internal, "there is nothing to act on for kind " + kind_);
  co_return;
}

Report NoReconciler::report(const Subject& subject, const Seen&, const Plan&) {
  Report report;
  if (const json::Value* status = subject.json.find("status")) report.status = *status;
  const std::string message = "this version stores and validates kind " + kind_ + ", but does not act on it yet";
  report.conditions = {{"Ready", "Unknown", "NoReconciler", message}, {"Synced", "Unknown", "NoReconciler", message}};
  return report;
}

}  // namespace gantry::runtime
