#include "controller/app/disk_watch.hpp"

#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"

namespace gantry::app {
namespace {

constexpr Duration kLookEvery = std::chrono::minutes(1);
constexpr int kComesBack = 5;

}  // namespace

DiskWatch::DiskWatch(Reactor& loop, Blocking& blocking, const std::string& folder, std::function<void()> tell)
    : loop_(loop),
      blocking_(blocking),
      folder_(folder),
      machine_(folder),
      tell_(std::move(tell)),
      ending_(loop),
      gate_(loop) {}

void DiskWatch::open() { loop_.spawn(look_for_ever(gate_.enter())); }

Task<> DiskWatch::close() {
  ending_.notify_all();
  co_await gate_.close();
}

Task<> DiskWatch::look_for_ever(Gate::Pass) {
  while (!gate_.closed()) {
    measured(co_await blocking_.run(loop_, [this] { return machine_.read(); }));
    co_await ending_.wait_until(loop_.now() + kLookEvery);
  }
}

void DiskWatch::measured(const providers::local::MachineUsage::Reading& reading) {
  if (reading.disk_bytes <= 0) return;
  const double share = static_cast<double>(reading.disk_bytes_used) / static_cast<double>(reading.disk_bytes);
  static const auto gauge =
      metrics::gauge("gantry_host_disk_used_ratio", "How full the disk of the data folder is, from 0 to 1.");
  gauge.set(share);
  const bool before = !alarm_.empty();
  const bool now = share * 100 >= (before ? kAlarmPercent - kComesBack : kAlarmPercent);
  if (now == before) return;
  alarm_ =
      now ? "the disk with " + folder_ + " is more than " + std::to_string(kAlarmPercent) +
                " % full; when it is full, builds, logs and writes fail. Make room: docker system prune, old logs, "
                "volumes of Apps that are gone"
          : "";
  log::Logger("disk").warn(now ? "the disk is filling up" : "the disk has room again",
                           {{"folder", folder_}, {"usedPercent", static_cast<std::int64_t>(share * 100)}});
  tell_();
}

}  // namespace gantry::app
