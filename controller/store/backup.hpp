// The backup file (docs/store.md, "Backup"): a header, the rows as they are on the disk, and a SHA-256 over all of it.
#pragma once

#include <string>

#include "controller/store/engine.hpp"

namespace gantry::store {

struct BackupSummary {
  Counters counters;
  std::uint64_t rows = 0;
};

// Blocks. Throws Error(AlreadyExists) when path exists, Error(Unavailable) when it cannot be written; then nothing is
// left.
BackupSummary write_backup(Engine& engine, const std::string& path);
// Checks the whole file, then hands over its rows. Throws Error(Invalid) when it is no backup or not whole.
BackupSummary read_backup(const std::string& path, RowVisitor& visitor);

}  // namespace gantry::store
