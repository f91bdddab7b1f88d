// An imaginary cloud of gadgets, and the reconciler that keeps it equal to Gadget objects. What the cloud holds
// outlives every controller; it does not stop anybody from making a twin, so that a test can see one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/runtime/reconciler.hpp"
#include "tests/world/faults.hpp"

namespace gantry::world {

struct Cloud {
  struct Gadget {
    std::string owner_uid;
    std::string name;
    int part = 0;
    std::int64_t size = 0;
  };
  std::vector<Gadget> gadgets;
  std::size_t mutations = 0;
  std::vector<std::string> log;  // "create web/0", ...

  std::vector<Gadget> of(const std::string& uid) const;
  std::vector<std::string> names() const;  // "web/0=3", sorted: name, part, size
};

// The definition of the kind Gadget (gadgets.test.gantry.dev): spec {parts, size, secretRef, dependsOn}.
json::Value gadget_definition();

class GadgetReconciler final : public runtime::Reconciler {
 public:
  GadgetReconciler(Cloud& cloud, Lifeline& line) : cloud_(cloud), line_(line) {}

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;

  // What the test may ask of it: called before each act. May wait, and may throw.
  std::function<Task<>(const runtime::Subject&, const runtime::Action&)> before_act;
  std::function<void(const runtime::Subject&)> before_observe;
  std::optional<Duration> look_again;

 private:
  Cloud& cloud_;
  Lifeline& line_;
};

}  // namespace gantry::world
