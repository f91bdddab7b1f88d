#include "tests/world/faults.hpp"

namespace gantry::world {

std::ostream& operator<<(std::ostream& out, const Fault& fault) {
  constexpr const char* kNames[] = {"is refused", "loses its answer", "is cut off by a crash",
                                    "is answered to the dead"};
  return out << "call " << fault.at << " " << kNames[static_cast<int>(fault.how)];
}

std::vector<Fault> every_fault(std::size_t calls) {
  std::vector<Fault> all;
  for (std::size_t at = 1; at <= calls; ++at) {
    for (const auto how : {Fault::How::Refused, Fault::How::Lost, Fault::How::CrashBefore, Fault::How::CrashAfter}) {
      all.push_back({at, how});
    }
  }
  return all;
}

std::optional<Fault::How> FaultPlan::next(const std::string& name) {
  if (!name.starts_with(only)) return {};
  ++calls_;
  log_.push_back(name);
  if (fault && fault->at == calls_) return fault->how;
  return chance ? chance(calls_, name) : std::nullopt;
}

Task<> Lifeline::while_alive() {
  if (cleared_) throw Error(ErrorCode::Cancelled, "test: this controller is dead");
  if (!cut_) co_return;
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
      [this](auto handler) {
        hanging_.emplace_back([handler = std::move(handler)]() mutable { std::move(handler)(); });
      },
      use_task);
}

Task<> Lifeline::after(const std::string& name, std::optional<Fault::How> how) {
  if (how == Fault::How::Lost) throw Error(ErrorCode::Timeout, "test: the answer to " + name + " was lost");
  if (how == Fault::How::CrashAfter) cut();
  co_await while_alive();
}

void Lifeline::clear() {
  cut_ = true;
  cleared_ = true;
  hanging_.clear();  // the coroutines are unwound, not resumed
}

}  // namespace gantry::world
