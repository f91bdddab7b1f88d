// Namespaces: the three that always exist are made at start; one that is deleted is emptied, what holds real things
// first, then let go. One reactor's thread.
#pragma once

#include "controller/runtime/informer.hpp"
#include "controller/runtime/sweeper.hpp"

namespace gantry::runtime {

class NamespaceController {
 public:
  explicit NamespaceController(const Context& context);

  // Makes default, kube-system and kube-public when they are absent. Not fenced: the lease itself lives in one of them.
  // Throws Error.
  Task<> make_initial();
  void start() { sweeper_.start(); }
  Task<bool> stop(Instant deadline) { return sweeper_.stop(deadline); }
  bool idle() const { return sweeper_.idle(); }

 private:
  void on_change(const Change& change);
  Task<std::optional<Duration>> look(Key key);
  Task<std::size_t> empty(const std::string& ns, bool only_held);
  Task<> let_go(const object::Object& ns);

  const Context& context_;
  Resource namespaces_;
  Sweeper sweeper_;
};

}  // namespace gantry::runtime
