// How full the disk is that everything is kept on: looked at every minute, told when it passes the line or comes back.
// On the loop's reactor.
#pragma once

#include <functional>
#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/machine_usage.hpp"

namespace gantry::app {

class DiskWatch {
 public:
  // An alarm begins here, and ends five percent below, so that one log line more or less is no news.
  static constexpr int kAlarmPercent = 80;

  // tell: after the alarm began or ended.
  DiskWatch(Reactor& loop, Blocking& blocking, const std::string& folder, std::function<void()> tell);
  void open();
  Task<> close();

  // Empty while there is room; else what to do, for people.
  const std::string& alarm() const { return alarm_; }
  // Exposed for whoever has measured otherwise.
  void measured(const providers::local::MachineUsage::Reading& reading);

 private:
  Task<> look_for_ever(Gate::Pass pass);

  Reactor& loop_;
  Blocking& blocking_;
  std::string folder_;
  providers::local::MachineUsage machine_;
  std::function<void()> tell_;
  std::string alarm_;
  Signal ending_;
  Gate gate_;
};

}  // namespace gantry::app
