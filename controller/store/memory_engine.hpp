// An engine on a disk that is only imagined, and that fails as it is told: for tests and simulations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "controller/store/engine.hpp"

namespace gantry::store {

// What outlives the process. Share it between an engine and the one opened after a "crash".
struct MemoryDisk {
  enum class Fault {
    None,
    Full,  // refused, nothing written
    Lost,  // the sync failed and nothing reached the disk
    Kept,  // the sync failed although everything had reached the disk
  };
  std::mutex mutex;
  std::map<Revision, std::string> rows;
  Counters counters;
  std::uint64_t bytes = 0;  // of all rows
  std::uint64_t commits = 0;
  // Asked before each commit with the number of commits before it. Empty: no faults.
  std::function<Fault(std::uint64_t)> next_fault;
};

class MemoryEngine final : public Engine {
 public:
  explicit MemoryEngine(std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>()) : disk_(std::move(disk)) {}
  Counters counters() const override;
  void scan(RowVisitor& visitor) override;
  Outcome commit(const Commit& commit) override;
  std::uint64_t bytes() const override;

 private:
  std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace gantry::store
