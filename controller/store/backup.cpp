#include "controller/store/backup.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/files.hpp"
#include "controller/store/lmdb_engine.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kDigest = 32;
constexpr std::size_t kChunk = 1 << 20;
constexpr std::uint32_t kRowMax = 1u << 30;

struct Header {
  char magic[8] = {'G', 'N', 'T', 'R', 'Y', 'B', 'K', 'P'};
  std::uint32_t version = 1;
  std::uint32_t reserved = 0;
  std::uint64_t revision = 0;
  std::uint64_t floor = 0;
  std::uint64_t key_id = 0;
};
static_assert(sizeof(Header) == 40);

struct RowHead {
  std::uint64_t revision = 0;  // 0: there are no more rows
  std::uint32_t size = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(RowHead) == 16);

template <class T>
std::string_view raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string finish() {
    std::string digest(kDigest, '\0');
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

class Writer final : public RowVisitor {
 public:
  Writer(const File& file, std::string path) : file_(file), path_(std::move(path)) {}

  void begin(const Counters& counters) override {
    summary.counters = counters;
    Header header;
    header.revision = counters.last;
    header.floor = counters.floor;
    header.key_id = counters.key_id;
    put(raw(header));
  }
  void row(const Row& row) override {
    put(raw(RowHead{row.revision, static_cast<std::uint32_t>(row.value.size()), 0}));
    put(row.value);
    ++summary.rows;
  }
  void finish() {
    put(raw(RowHead{}));
    sha_.add(buffer_);
    buffer_ += sha_.finish();
    write_all(file_, buffer_, path_);
    sync_file(file_, path_);
  }

  BackupSummary summary;

 private:
  void put(std::string_view bytes) {
    buffer_.append(bytes);
    if (buffer_.size() < kChunk) return;
    sha_.add(buffer_);
    write_all(file_, buffer_, path_);
    buffer_.clear();
  }
  const File& file_;
  std::string path_;
  std::string buffer_;
  Sha256 sha_;
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::Invalid, "the backup " + path + " cannot be used: " + why + "; take another copy of it");
}

// Everything is checked before anything is believed.
void verify_digest(const File& file, const std::string& path, std::uint64_t size) {
  Sha256 sha;
  std::string piece;
  for (std::uint64_t left = size - kDigest; left > 0;) {
    piece = read_some(file, std::min<std::uint64_t>(kChunk, left));
    if (piece.empty()) refuse(path, "it became shorter while it was read");
    sha.add(piece);
    left -= piece.size();
  }
  if (read_some(file, kDigest) != sha.finish())
    refuse(path, "its SHA-256 does not match, so it is damaged or cut short");
}

template <class T>
T read_struct(const File& file, const std::string& path) {
  const std::string piece = read_some(file, sizeof(T));
  if (piece.size() != sizeof(T)) refuse(path, "it ends too early");
  T value{};
  std::memcpy(&value, piece.data(), sizeof value);
  return value;
}

}  // namespace

BackupSummary write_backup(Engine& engine, const std::string& path) {
  if (files::exists(path))
    throw Error(ErrorCode::AlreadyExists, "the backup " + path + " exists already; choose another name");
  const std::string unfinished = path + ".unfinished";
  ::unlink(unfinished.c_str());
  const File file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw system_error("making " + unfinished);
  Writer writer(file, unfinished);
  try {
    engine.scan(writer);
    writer.finish();
    // Refuses too when somebody made the name meanwhile.
    if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
      throw system_error("naming " + path);
    }
  } catch (...) {  // tidy: takes away what is half written, then goes on
    ::unlink(unfinished.c_str());
    throw;
  }
  sync_folder(files::directory_of(path));
  return writer.summary;
}

BackupSummary read_backup(const std::string& path, RowVisitor& visitor) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw system_error("opening the backup " + path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw system_error("reading the backup " + path);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || size < sizeof(Header) + sizeof(RowHead) + kDigest)
    refuse(path, "it is no Gantry backup");
  const auto header = read_struct<Header>(file, path);
  if (std::memcmp(header.magic, Header().magic, sizeof header.magic) != 0) refuse(path, "it is no Gantry backup");
  if (header.version != 1) {
    throw Error(ErrorCode::Invalid, "the backup " + path + " has format version " + std::to_string(header.version) +
                                        ", this program reads version 1: use the newer gantry that made it");
  }
  ::lseek(file.get(), 0, SEEK_SET);
  verify_digest(file, path, size);
  ::lseek(file.get(), sizeof(Header), SEEK_SET);
  BackupSummary summary{{header.revision, header.floor, header.key_id}, 0};
  visitor.begin(summary.counters);
  std::string value;
  while (true) {
    const auto head = read_struct<RowHead>(file, path);
    if (head.revision == 0) return summary;
    if (head.size > kRowMax) refuse(path, "a row in it is impossibly long");
    value = read_some(file, head.size);
    if (value.size() != head.size) refuse(path, "a row in it is cut short");
    visitor.row({head.revision, value});
    ++summary.rows;
  }
}

}  // namespace gantry::store
