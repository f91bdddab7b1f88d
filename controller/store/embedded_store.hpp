// The embedded store: everything in memory, every change durable in DIR/store before it can be seen (docs/store.md).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "controller/store/cipher.hpp"
#include "controller/store/engine.hpp"
#include "controller/store/store.hpp"

namespace gantry::store {

struct StoreOptions {
  std::string data_dir;          // the store lives in data_dir/store; both are made, mode 0700
  std::string secrets_key_file;  // empty: data_dir/secrets.key, made at first start
  std::vector<Resource> encrypted = {Resource::of("", "secrets")};

  // How far back a watch or a page may reach: whichever comes first.
  Duration window_age = std::chrono::minutes(5);
  std::size_t window_events = 250'000;
  std::size_t window_bytes = 64 << 20;  // of superseded objects; half of the live bytes when that is more

  // One group commit holds at most this much; what is beyond waits for the next.
  std::size_t batch_writes = 4096;
  std::size_t batch_bytes = 8 << 20;

  Random* random = &system_random();  // for the nonces of encrypted rows
};

// Opens or makes the store and loads it into memory: blocks (about 0.5 s for 100,000 objects), so it is called before
// the front runs. Commits run on `blocking`, which should be the store's own thread pool of two: one for commits, one
// for backups. Both, and the front, must outlive the store. End it with close().
// Throws Error(Unavailable) when another process has it, Error(Invalid) when the files are not ours, are of a newer
// version, or cannot be decrypted, Error(Internal) when they are damaged; each message says what to do.
std::unique_ptr<Store> open_embedded_store(Reactor& front, Blocking& blocking, StoreOptions options);

// The same store above any engine: MemoryEngine for tests and simulations. Without a cipher nothing is encrypted.
std::unique_ptr<Store> make_embedded_store(Reactor& front, Blocking& blocking, std::unique_ptr<Engine> engine,
                                           StoreOptions options = {}, std::unique_ptr<Cipher> cipher = nullptr);

// Makes data_dir/store from a backup file. Refuses (Error(AlreadyExists)) where a store is, and (Error(Invalid)) a file
// that is no backup or not whole. A restore that was cut off leaves nothing behind that would be opened. Blocks.
struct BackupInfo {
  Revision revision = 0;
  std::uint64_t rows = 0;
};
BackupInfo restore_backup(const std::string& backup_path, const std::string& data_dir);

}  // namespace gantry::store
