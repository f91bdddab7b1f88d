#include "controller/store/lmdb_engine.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "controller/base/error.hpp"
#include "controller/store/change.hpp"
#include "controller/store/files.hpp"
#include "controller/store/lmdb_check.hpp"
#include "controller/store/lmdb_state.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kFirstMap = std::size_t{1} << 30;  // address space, not disk: the file grows as it is used
constexpr std::size_t kReserve = 16 << 20;               // the file is given room this far ahead

MDB_val value_of(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view view_of(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

bool is_full(int code) {
  return code == ENOSPC || code == EDQUOT || code == EFBIG || code == ENOMEM || code == MDB_MAP_FULL;
}

class Transaction {
 public:
  Transaction(MDB_env* env, unsigned flags) { code_ = mdb_txn_begin(env, nullptr, flags, &txn_); }
  ~Transaction() {
    if (txn_) mdb_txn_abort(txn_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  int code() const { return code_; }
  MDB_txn* get() const { return txn_; }
  int commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }

 private:
  MDB_txn* txn_ = nullptr;
  int code_ = 0;
};

class LmdbEngine final : public Engine {
 public:
  explicit LmdbEngine(const std::string& folder) : folder_(folder), file_(folder + "/data.mdb") { open(); }

  Counters counters() const override { return state_.counters; }
  void scan(RowVisitor& visitor) override;
  Outcome commit(const Commit& commit) override;
  std::uint64_t bytes() const override { return bytes_; }

 private:
  struct Closed {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  void open();
  void begin_store();
  StateRecord read_state(MDB_txn* txn) const;
  int write(const Commit& commit, StateRecord& next);
  int bury(MDB_txn* txn, std::span<const Revision> dead, StateRecord& next);
  int make_room(std::size_t bytes);
  int grow();
  void give_pages_back();
  void measure();
  void check(int code, const std::string& doing) const;
  [[noreturn]] void damaged(const std::string& what) const;

  std::string folder_;
  std::string file_;
  std::unique_ptr<MDB_env, Closed> owned_;  // also when opening fails halfway
  MDB_env* env_ = nullptr;
  MDB_dbi rows_ = 0;
  MDB_dbi main_ = 0;
  std::shared_mutex resizing_;  // LMDB wants no transaction alive while its map changes
  StateRecord state_;
  std::uint64_t reserved_to_ = 0;
  bool can_reserve_ = true;
  std::atomic<std::uint64_t> bytes_{0};
  std::size_t written_ = 0;  // since pages were last given back
};

void LmdbEngine::check(int code, const std::string& doing) const {
  if (code == 0) return;
  throw Error(ErrorCode::Unavailable, doing + " " + file_ + ": " + mdb_strerror(code));
}

void LmdbEngine::damaged(const std::string& what) const {
  throw Error(ErrorCode::Internal, "the store " + file_ + " is damaged (" + what + "); keep a copy of the folder " +
                                       folder_ + ", move it away, and bring back the newest backup: gantry restore");
}

void LmdbEngine::open() {
  struct stat info{};
  const bool fresh = ::stat(file_.c_str(), &info) != 0 || info.st_size == 0;
  if (!fresh) {
    try {
      check_lmdb_file(file_);
    } catch (const Error& error) {  // tidy: adds which file, and what to do
      if (error.code() == ErrorCode::Internal) damaged(error.message());
      throw;
    }
  }
  check(mdb_env_create(&env_), "opening");
  owned_.reset(env_);
  check(mdb_env_set_maxdbs(env_, 1), "opening");
  check(mdb_env_set_mapsize(env_, std::max(kFirstMap, static_cast<std::size_t>(info.st_size) * 2)), "opening");
  const int code = mdb_env_open(env_, folder_.c_str(), MDB_NOTLS, 0600);
  if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH) {
    throw Error(ErrorCode::Invalid, file_ + " is not a Gantry store (" + mdb_strerror(code) +
                                        "); move it away, or give another --data-dir");
  }
  if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND) damaged(mdb_strerror(code));
  check(code, "opening");
  if (fresh) sync_folder(folder_);
  begin_store();
}

void LmdbEngine::begin_store() {
  Transaction txn(env_, 0);
  check(txn.code(), "opening");
  check(mdb_dbi_open(txn.get(), nullptr, 0, &main_), "opening");
  MDB_stat stat{};
  check(mdb_stat(txn.get(), main_, &stat), "opening");
  const bool is_new = stat.ms_entries == 0;
  if (is_new) {
    check(mdb_dbi_open(txn.get(), kRowsTable, MDB_INTEGERKEY | MDB_CREATE, &rows_), "making");
    state_.transaction = mdb_txn_id(txn.get());
    state_.crc = state_.expected_crc();
    MDB_val key = value_of(kStateKey);
    MDB_val value = value_of({reinterpret_cast<const char*>(&state_), sizeof state_});
    check(mdb_put(txn.get(), main_, &key, &value, 0), "making");
  } else {
    state_ = read_state(txn.get());
    const int code = mdb_dbi_open(txn.get(), kRowsTable, MDB_INTEGERKEY, &rows_);
    if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE) damaged("its table of rows is missing");
    check(code, "opening");
  }
  check(txn.commit(), is_new ? "making" : "opening");
  measure();
}

StateRecord LmdbEngine::read_state(MDB_txn* txn) const {
  MDB_val key = value_of(kStateKey);
  MDB_val value{};
  const int code = mdb_get(txn, main_, &key, &value);
  StateRecord state;
  if (code == MDB_NOTFOUND || (code == 0 && value.mv_size < 2 * sizeof(std::uint64_t))) {
    throw Error(ErrorCode::Invalid,
                file_ + " is an LMDB file of some other program; move it away, or give another --data-dir");
  }
  check(code, "reading");
  std::memcpy(&state, value.mv_data, std::min(sizeof state, value.mv_size));
  if (state.magic != kStateMagic) damaged("its state record is not ours");
  if (state.version > kStateVersion) {
    throw Error(ErrorCode::Invalid, file_ + " has format version " + std::to_string(state.version) +
                                        ", this program reads up to " + std::to_string(kStateVersion) +
                                        ": start the newer gantry that wrote it");
  }
  if (value.mv_size != sizeof state || state.crc != state.expected_crc())
    damaged("its state record has a wrong checksum");
  return state;
}

void LmdbEngine::scan(RowVisitor& visitor) {
  {
    std::shared_lock lock(resizing_);
    Transaction txn(env_, MDB_RDONLY);
    check(txn.code(), "reading");
    const StateRecord state = read_state(txn.get());
    visitor.begin(state.counters);
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(txn.get(), rows_, &cursor), "reading");
    const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> closed(cursor, mdb_cursor_close);
    std::uint64_t count = 0;
    std::uint64_t digest = 0;
    Revision before = 0;
    MDB_val key{};
    MDB_val value{};
    int code = 0;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
      Revision revision = 0;
      if (key.mv_size != sizeof revision) damaged("a row has no revision");
      std::memcpy(&revision, key.mv_data, sizeof revision);
      if (revision <= before) damaged("row " + std::to_string(revision) + " is out of order");
      before = revision;
      ++count;
      digest += digest_of(revision, row_checksum(view_of(value)));
      try {
        visitor.row({revision, view_of(value)});
      } catch (const Error& error) {  // tidy: adds which file, and what to do
        if (error.code() == ErrorCode::Internal) damaged(error.message());
        throw;
      }
    }
    if (code != MDB_NOTFOUND) damaged(mdb_strerror(code));
    if (count != state.rows || digest != state.digest) {
      damaged("it should hold " + std::to_string(state.rows) + " rows and holds " + std::to_string(count) +
              ", or others than were written");
    }
  }
  give_pages_back();
}

// The rows are in our own memory, so what stays mapped of the file would be counted twice. LMDB does not say where its
// map lies; each page says its own number, which leads from any value to the first page.
void LmdbEngine::give_pages_back() {
  std::shared_lock lock(resizing_);
  Transaction txn(env_, MDB_RDONLY);
  MDB_envinfo info{};
  MDB_stat stat{};
  MDB_val key = value_of(kStateKey);
  MDB_val value{};
  if (txn.code() != 0 || mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) return;
  if (mdb_get(txn.get(), main_, &key, &value) != 0) return;
  const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(value.mv_data) & ~(std::uintptr_t{stat.ms_psize} - 1);
  std::uint64_t number = 0;
  std::memcpy(&number, reinterpret_cast<const void*>(page), sizeof number);
  if (number > info.me_last_pgno) return;
  ::madvise(reinterpret_cast<void*>(page - number * stat.ms_psize), (info.me_last_pgno + 1) * stat.ms_psize,
            MADV_DONTNEED);
}

int LmdbEngine::bury(MDB_txn* txn, std::span<const Revision> dead, StateRecord& next) {
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(txn, rows_, &cursor)) return code;
  const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> closed(cursor, mdb_cursor_close);
  for (Revision revision : dead) {
    MDB_val key{sizeof revision, &revision};
    MDB_val value{};
    const int code = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (code == MDB_NOTFOUND) continue;
    if (code != 0) return code;
    next.digest -= digest_of(revision, row_checksum(view_of(value)));
    --next.rows;
    if (const int deleted = mdb_cursor_del(cursor, 0)) return deleted;
  }
  return 0;
}

int LmdbEngine::write(const Commit& commit, StateRecord& next) {
  std::shared_lock lock(resizing_);
  Transaction txn(env_, 0);
  if (txn.code() != 0) return txn.code();
  if (!commit.dead.empty()) {
    if (const int code = bury(txn.get(), commit.dead, next)) return code;
  }
  for (const Row& row : commit.rows) {
    Revision revision = row.revision;
    MDB_val key{sizeof revision, &revision};
    MDB_val value = value_of(row.value);
    if (const int code = mdb_put(txn.get(), rows_, &key, &value, MDB_APPEND)) return code;
    next.digest += digest_of(revision, row_checksum(row.value));
    ++next.rows;
  }
  next.transaction = mdb_txn_id(txn.get());
  next.counters = commit.counters;
  next.crc = next.expected_crc();
  MDB_val key = value_of(kStateKey);
  MDB_val value = value_of({reinterpret_cast<const char*>(&next), sizeof next});
  if (const int code = mdb_put(txn.get(), main_, &key, &value, 0)) return code;
  return txn.commit();
}

Outcome LmdbEngine::commit(const Commit& commit) {
  std::size_t bytes = 64 << 10;
  for (const Row& row : commit.rows) bytes += row.value.size() + row.value.size() / 2 + 4096;
  bytes += commit.dead.size() * 4096;
  int code = make_room(bytes);
  StateRecord next;
  while (code == 0) {
    next = state_;
    code = write(commit, next);
    if (code != MDB_MAP_FULL) break;
    code = grow();
  }
  if (code == 0) {
    state_ = next;
    measure();
    written_ += bytes;
    if (written_ >= kReserve) {
      written_ = 0;
      give_pages_back();
    }
    return {};
  }
  const std::string reason = std::string(mdb_strerror(code)) + " (" + file_ + ")";
  return {is_full(code) ? Outcome::Kind::Full : Outcome::Kind::Broken, reason};
}

// Asks the file system for the space before LMDB writes into it. So a full disk is noticed while nothing has happened
// yet: LMDB itself would take a short write for an I/O error.
int LmdbEngine::make_room(std::size_t bytes) {
  if (!can_reserve_) return 0;
  MDB_envinfo info{};
  MDB_stat stat{};
  if (const int code = mdb_env_info(env_, &info)) return code;
  if (const int code = mdb_env_stat(env_, &stat)) return code;
  const std::uint64_t needed = (info.me_last_pgno + 1) * stat.ms_psize + bytes;
  if (needed <= reserved_to_) return 0;
  int fd = -1;
  if (const int code = mdb_env_get_fd(env_, &fd)) return code;
  const auto reserve = [&](std::uint64_t to) {
    return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(to)) == 0 ? 0 : errno;
  };
  std::uint64_t to = needed + kReserve;
  int code = reserve(to);
  if (is_full(code)) code = reserve(to = needed);
  if (code == 0) reserved_to_ = to;
  if (code == EOPNOTSUPP || code == ENOSYS) {
    can_reserve_ = false;
    return 0;
  }
  return code == EINTR ? make_room(bytes) : code;
}

int LmdbEngine::grow() {
  std::unique_lock lock(resizing_);
  MDB_envinfo info{};
  if (const int code = mdb_env_info(env_, &info)) return code;
  return mdb_env_set_mapsize(env_, info.me_mapsize * 2);
}

void LmdbEngine::measure() {
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) return;
  bytes_ = (info.me_last_pgno + 1) * stat.ms_psize;
}

}  // namespace

std::unique_ptr<Engine> open_lmdb_engine(const std::string& folder) { return std::make_unique<LmdbEngine>(folder); }

}  // namespace gantry::store
