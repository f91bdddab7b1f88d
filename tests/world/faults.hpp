// What may go wrong at a seam, and where. Every call that a controller makes to the outside (the API, a cloud) passes a
// Lifeline and has a number; a Fault names one of them. So a life can be played once to count its calls, and then again
// for each call and each way in which that call can fail.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::world {

struct Fault {
  enum class How {
    Refused,      // it had no effect, and an error came back
    Lost,         // it had its effect, and an error came back
    CrashBefore,  // the controller died before the call got through
    CrashAfter,   // the controller died before the answer came back
  };
  std::size_t at = 0;  // which call, from 1
  How how = How::Refused;
};
std::ostream& operator<<(std::ostream& out, const Fault& fault);
// Each way to fail, for each of so many calls.
std::vector<Fault> every_fault(std::size_t calls);

// Counts calls over all the controllers of one world, and says which of them fails.
class FaultPlan {
 public:
  std::optional<Fault> fault;
  // May fail any call: given its number and name. For faults by chance.
  std::function<std::optional<Fault::How>(std::size_t, const std::string&)> chance;
  // Only calls whose name starts with this are counted; empty: all.
  std::string only;

  std::optional<Fault::How> next(const std::string& name);
  std::size_t calls() const { return calls_; }
  const std::vector<std::string>& log() const { return log_; }

 private:
  std::size_t calls_ = 0;
  std::vector<std::string> log_;
};

// One controller's connection to everything outside of it. When it is cut, every call hangs: the controller is as good
// as dead, although its memory is still there for the test to clear away.
class Lifeline {
 public:
  explicit Lifeline(FaultPlan& faults) : faults_(faults) {}

  // Runs the call, or what the plan has in store for it instead.
  template <class T>
  Task<T> pass(std::string name, std::function<Task<T>()> call) {
    co_await while_alive();
    const auto how = faults_.next(name);
    if (how == Fault::How::Refused) throw Error(ErrorCode::Unavailable, "test: " + name + " was refused");
    if (how == Fault::How::CrashBefore) {
      cut();
      co_await while_alive();
    }
    if constexpr (std::is_void_v<T>) {
      co_await call();
      co_await after(name, how);
    } else {
      T result = co_await call();
      co_await after(name, how);
      co_return result;
    }
  }

  // Comes back only if the controller is alive.
  Task<> while_alive();
  void cut() { cut_ = true; }
  bool is_cut() const { return cut_; }
  // Lets go of everybody who hangs; whoever calls from now on is told to stop.
  void clear();

 private:
  Task<> after(const std::string& name, std::optional<Fault::How> how);

  FaultPlan& faults_;
  bool cut_ = false;
  bool cleared_ = false;
  std::vector<std::move_only_function<void()>> hanging_;
};

}  // namespace gantry::world
