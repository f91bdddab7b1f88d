#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/store/backup.hpp"
#include "controller/store/change.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/files.hpp"
#include "controller/store/lmdb_engine.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kBatchBytes = 8 << 20;

class Restorer final : public RowVisitor {
 public:
  explicit Restorer(Engine& engine) : engine_(engine) {}

  void begin(const Counters& counters) override { counters_ = counters; }
  void row(const Row& row) override {
    ends_.push_back({row.revision, row.value.size()});
    buffer_.append(row.value);
    if (buffer_.size() >= kBatchBytes) flush();
  }
  void flush() {
    std::vector<Row> rows;
    std::size_t at = 0;
    for (const auto& [revision, size] : ends_) {
      rows.push_back({revision, std::string_view(buffer_).substr(at, size)});
      at += size;
    }
    const Outcome outcome = engine_.commit({rows, {}, counters_});
    if (outcome.kind != Outcome::Kind::Durable) throw Error(ErrorCode::Unavailable, "restoring: " + outcome.reason);
    ends_.clear();
    buffer_.clear();
  }

 private:
  Engine& engine_;
  Counters counters_;
  std::vector<std::pair<Revision, std::size_t>> ends_;
  std::string buffer_;
};

}  // namespace

BackupInfo restore_backup(const std::string& backup_path, const std::string& data_dir) {
  const std::string target = data_dir + "/store";
  // Another name until it is whole: a restore that was cut off is no store, and the next one begins anew.
  const std::string unfinished = data_dir + "/store.restoring";
  make_folder(data_dir);
  const auto lock = files::Lock::acquire(data_dir + "/.restore-lock");
  if (files::exists(target + "/data.mdb")) {
    throw Error(ErrorCode::AlreadyExists,
                "there is a store in " + target + " already; move it away first, or restore into another --data-dir");
  }
  std::filesystem::remove_all(unfinished);
  make_folder(unfinished);
  BackupSummary summary;
  try {
    const auto engine = open_lmdb_engine(unfinished);
    Restorer restorer(*engine);
    summary = read_backup(backup_path, restorer);
    restorer.flush();
  } catch (...) {  // tidy: takes away what is half restored, then goes on
    std::filesystem::remove_all(unfinished);
    throw;
  }
  sync_folder(unfinished);
  std::error_code failed;
  std::filesystem::remove(target + "/lock", failed);  // an empty folder of a store that never began
  std::filesystem::remove(target, failed);
  if (!failed) std::filesystem::rename(unfinished, target, failed);
  if (failed) {
    throw Error(ErrorCode::Unavailable, "putting the restored store into " + target + ": " + failed.message() +
                                            "; move that folder away, then restore again");
  }
  sync_folder(data_dir);
  return {summary.counters.last, summary.rows};
}

}  // namespace gantry::store
