#include "providers/source/upload_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::source {
namespace {

using local::Fd;

std::int64_t size_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::int64_t>(found.st_size) : 0;
}

// Bytes of all uploads, without those that nobody goes on with: these are removed.
std::int64_t all_of(const std::string& folder, Duration kept, WallTime now) {
  std::int64_t bytes = 0;
  for (const auto& name : local::names_in(folder)) {
    const std::string path = folder + "/" + name;
    if (local::older_than(path, kept, now)) {
      ::unlink(path.c_str());
    } else {
      bytes += size_of(path);
    }
  }
  return bytes;
}

std::int64_t append(const std::string& path, std::int64_t offset, const std::string& piece) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw Error(ErrorCode::Unavailable, "cannot keep the upload: " + local::errno_text(errno));
  const std::int64_t here = size_of(path);
  if (here != offset)
    throw Error(ErrorCode::Conflict, "the piece begins at " + std::to_string(offset) + ", but " + std::to_string(here) +
                                         " bytes are here; go on from there");
  ::lseek(file.get(), 0, SEEK_END);
  if (const int error = local::write_all(file.get(), piece)) {
    // In one piece or not at all, so that whoever asks goes on at the right place.
    [[maybe_unused]] const int ignored = ::ftruncate(file.get(), offset);
    throw Error(ErrorCode::Unavailable, "cannot keep the upload: " + local::errno_text(error));
  }
  return here + static_cast<std::int64_t>(piece.size());
}

std::string digest_of(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) throw Error(ErrorCode::NotFound, "nothing of this upload is here; begin again");
  Sha256 digest;
  std::string piece(256 << 10, '\0');
  for (ssize_t got; (got = ::read(file.get(), piece.data(), piece.size())) > 0;)
    digest.add(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
  return digest.hex();
}

}  // namespace

UploadStore::UploadStore(Reactor& reactor, Blocking& blocking, SourceStore& sources, std::string folder,
                         UploadLimits limits)
    : reactor_(reactor), blocking_(blocking), sources_(sources), folder_(std::move(folder)), limits_(limits) {}

std::string UploadStore::path_of(const std::string& digest) const {
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error(ErrorCode::BadRequest, "an upload is known by the SHA-256 of its bytes, in 64 lower case hex digits");
  return folder_ + "/" + digest;
}

Task<std::int64_t> UploadStore::received(std::string digest) {
  co_return co_await blocking_.run(reactor_, [path = path_of(digest)] { return size_of(path); });
}

Task<std::int64_t> UploadStore::add(std::string digest, std::int64_t offset, std::string piece) {
  const std::string path = path_of(digest);
  if (piece.empty() || piece.size() > limits_.piece)
    throw Error(ErrorCode::TooLarge, "a piece has from 1 to " + std::to_string(limits_.piece) + " bytes");
  const auto after = offset + static_cast<std::int64_t>(piece.size());
  if (offset < 0 || after > limits_.bytes)
    throw Error(ErrorCode::TooLarge, "an upload may have " + std::to_string(limits_.bytes >> 20) +
                                         " MiB; name what is not needed in .gantryignore");
  co_return co_await blocking_.run(reactor_, [path, offset, piece = std::move(piece), folder = folder_,
                                              limits = limits_, now = reactor_.clock().wall()] {
    files::make_directories(folder, 0700);
    if (all_of(folder, limits.kept, now) + static_cast<std::int64_t>(piece.size()) > limits.all_bytes)
      throw Error(ErrorCode::Unavailable, "too many uploads are on their way; try again later");
    return append(path, offset, piece);
  });
}

Task<std::string> UploadStore::finish(std::string digest) {
  const std::string path = path_of(digest);
  if (const auto known = finished_.find(digest);
      known != finished_.end() && !sources_.staged(known->second).empty() && !files::exists(path))
    co_return known->second;
  const std::string found = co_await blocking_.run(reactor_, [path] { return digest_of(path); });
  std::exception_ptr failure;
  std::string code;
  try {
    if (found != digest)
      throw Error(ErrorCode::Conflict, "the bytes that came have the digest " + found + ", not " + digest +
                                           "; they are forgotten, send them again");
    code = co_await sources_.take_in(path);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  co_await blocking_.run(reactor_, [path] { ::unlink(path.c_str()); });
  if (failure) std::rethrow_exception(failure);
  if (finished_.size() > 1000) finished_.clear();
  finished_[digest] = code;
  co_return code;
}

}  // namespace gantry::providers::source
