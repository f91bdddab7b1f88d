#include "controller/store/memory_engine.hpp"

namespace gantry::store {

Counters MemoryEngine::counters() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->counters;
}

void MemoryEngine::scan(RowVisitor& visitor) {
  std::lock_guard lock(disk_->mutex);
  visitor.begin(disk_->counters);
  for (const auto& [revision, value] : disk_->rows) visitor.row({revision, value});
}

Outcome MemoryEngine::commit(const Commit& commit) {
  using Fault = MemoryDisk::Fault;
  std::lock_guard lock(disk_->mutex);
  const auto number = disk_->commits++;
  const Fault fault = disk_->next_fault ? disk_->next_fault(number) : Fault::None;
  if (fault == Fault::Full) return {Outcome::Kind::Full, "No space left on device"};
  if (fault == Fault::Lost) return {Outcome::Kind::Broken, "Input/output error"};
  for (const Row& row : commit.rows) {
    disk_->rows.insert_or_assign(row.revision, std::string(row.value));
    disk_->bytes += row.value.size();
  }
  for (const Revision revision : commit.dead) {
    const auto dead = disk_->rows.find(revision);
    if (dead == disk_->rows.end()) continue;
    disk_->bytes -= dead->second.size();
    disk_->rows.erase(dead);
  }
  disk_->counters = commit.counters;
  if (fault == Fault::Kept) return {Outcome::Kind::Broken, "Input/output error"};
  return {};
}

std::uint64_t MemoryEngine::bytes() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->bytes;
}

}  // namespace gantry::store
