// A queue with workers that look at one key at a time and try again after errors: the shape that the garbage
// collector, the namespace controller and the default ServiceAccounts share. One reactor's thread.
#pragma once

#include <functional>
#include <string>

#include "controller/runtime/backoff.hpp"
#include "controller/runtime/context.hpp"
#include "controller/runtime/queue.hpp"

namespace gantry::runtime {

class Sweeper {
 public:
  // look(key) throws Error to be called again after a pause; it returns when it wants to be called again, if at all.
  using Look = std::function<Task<std::optional<Duration>>(object::Key)>;
  Sweeper(const Context& context, std::string name, std::size_t workers, Look look);

  void add(const object::Key& key) { queue_.add(key); }
  void start();
  Task<bool> stop(Instant deadline);
  bool idle() const { return queue_.depth() == 0 && queue_.running() == 0; }

 private:
  Task<> work(Gate::Pass pass);

  const Context& context_;
  std::string name_;
  std::size_t workers_;
  Look look_;
  Queue queue_;
  Backoff backoff_;
  Gate gate_;
};

}  // namespace gantry::runtime
