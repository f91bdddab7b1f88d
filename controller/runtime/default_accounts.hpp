// The ServiceAccount `default` of every namespace: made with the namespace, and again when it is deleted, as programs
// that speak Kubernetes expect. It may do nothing until a role is bound to it. One reactor's thread.
#pragma once

#include "controller/runtime/informer.hpp"
#include "controller/runtime/sweeper.hpp"

namespace gantry::runtime {

class DefaultAccounts {
 public:
  explicit DefaultAccounts(const Context& context);

  void start() { sweeper_.start(); }
  Task<bool> stop(Instant deadline) { return sweeper_.stop(deadline); }
  bool idle() const { return sweeper_.idle(); }

 private:
  void on_change(const Change& change);
  Task<std::optional<Duration>> look(Key ns);

  const Context& context_;
  Resource namespaces_, accounts_;
  Sweeper sweeper_;  // of namespaces
};

}  // namespace gantry::runtime
