#include <sys/stat.h>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/store/backup.hpp"
#include "controller/store/files.hpp"
#include "controller/store/lmdb_engine.hpp"
#include "controller/store/store_core.hpp"

namespace gantry::store {
namespace {

// A store that has begun has this file; so data that has gone is told from a first start.
void check_format(const std::string& folder) {
  const std::string format = folder + "/format";
  struct stat info{};
  const std::string data = folder + "/data.mdb";
  const bool has_data = ::stat(data.c_str(), &info) == 0 && info.st_size > 0;
  // Nothing is accepted before the format file is there, so a file without any state is a first start that was cut off.
  constexpr off_t kMetaPagesOnly = 8192;
  if (!files::exists(format) && has_data && info.st_size <= kMetaPagesOnly) files::remove_file(data);
  if (files::exists(format) && !has_data) {
    throw Error(ErrorCode::Internal, "the store's data, " + data + ", is gone or empty; restore a backup (move " +
                                         folder +
                                         " away, then gantry restore), or remove the folder to begin with nothing");
  }
}

// Keeps the folder's lock as long as the engine lives.
class LockedEngine final : public Engine {
 public:
  explicit LockedEngine(const std::string& folder) : lock_(lock(folder)) {
    check_format(folder);
    engine_ = open_lmdb_engine(folder);
    if (!files::exists(folder + "/format")) write_new_file(folder + "/format", "gantry store 1\n");
  }
  Counters counters() const override { return engine_->counters(); }
  void scan(RowVisitor& visitor) override { engine_->scan(visitor); }
  Outcome commit(const Commit& commit) override { return engine_->commit(commit); }
  std::uint64_t bytes() const override { return engine_->bytes(); }

 private:
  static files::Lock lock(const std::string& folder) {
    try {
      return files::Lock::acquire(folder + "/lock");
    } catch (Error& error) {  // tidy: adds what it means here
      error.while_("the store is in use");
      throw;
    }
  }

  files::Lock lock_;
  std::unique_ptr<Engine> engine_;
};

// The key that the store was written with, or a new one for a new store.
std::unique_ptr<Cipher> cipher_for(Engine& engine, const std::string& key_file, Random& random) {
  Counters counters = engine.counters();
  auto cipher = cipher_from_file(key_file, counters.key_id == 0, random);
  if (counters.key_id == cipher->id()) return cipher;
  if (counters.key_id != 0) {
    throw Error(ErrorCode::Invalid,
                "the secrets key " + key_file +
                    " is not the one this store was written with; give the right one (it is not part of "
                    "a backup: it comes from the machine that the backup was made on)");
  }
  counters.key_id = cipher->id();
  const Outcome outcome = engine.commit({{}, {}, counters});
  if (outcome.kind != Outcome::Kind::Durable)
    throw Error(ErrorCode::Unavailable, "beginning the store: " + outcome.reason);
  return cipher;
}

}  // namespace

std::unique_ptr<Store> open_embedded_store(Reactor& front, Blocking& blocking, StoreOptions options) {
  if (options.data_dir.empty()) throw Error(ErrorCode::Invalid, "the store needs a data directory (--data-dir)");
  const std::string folder = options.data_dir + "/store";
  make_folder(folder);
  auto engine = std::make_unique<LockedEngine>(folder);
  const std::string key_file =
      options.secrets_key_file.empty() ? options.data_dir + "/secrets.key" : options.secrets_key_file;
  auto cipher = cipher_for(*engine, key_file, *options.random);
  const Instant begin = front.now();
  auto store = make_embedded_store(front, blocking, std::move(engine), std::move(options), std::move(cipher));
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(front.now() - begin);
  log::Logger("store").info("opened",
                            {{"folder", folder}, {"revision", store->revision()}, {"elapsed_ms", elapsed.count()}});
  return store;
}

std::unique_ptr<Store> make_embedded_store(Reactor& front, Blocking& blocking, std::unique_ptr<Engine> engine,
                                           StoreOptions options, std::unique_ptr<Cipher> cipher) {
  return std::make_unique<EmbeddedStore>(front, blocking, std::move(engine), std::move(options), std::move(cipher));
}

}  // namespace gantry::store
