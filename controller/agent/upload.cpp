#include "controller/agent/upload.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/random.hpp"
#include "providers/local/posix.hpp"

namespace gantry::agent {

using providers::local::errno_text;
using providers::local::Fd;

// Kept by whoever writes to it too, so that it is not closed under a thread that still does.
struct Upload::File {
  std::string path;
  Fd descriptor;
  Sha256 digest;
  std::int64_t bytes = 0;
  ~File() { ::unlink(path.c_str()); }
};

Upload::Upload(Reactor& reactor, Blocking& blocking, std::string folder)
    : reactor_(reactor), blocking_(blocking), file_(std::make_shared<File>()) {
  files::make_directories(folder, 0700);
  file_->path = files::join(folder, system_random().hex(8));
  file_->descriptor = Fd(::open(file_->path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_->descriptor) throw Error(ErrorCode::Unavailable, "cannot write " + file_->path + ": " + errno_text(errno));
}

// The file goes with its last user, on a thread that may wait for the disk.
Upload::~Upload() {
  blocking_.submit([file = std::move(file_)]() mutable { file.reset(); });
}

Task<> Upload::take(std::string piece) {
  const int error = co_await blocking_.run(reactor_, [file = file_, piece = std::move(piece)] {
    file->digest.add(piece);
    file->bytes += static_cast<std::int64_t>(piece.size());
    return providers::local::write_all(file->descriptor.get(), piece);
  });
  if (error != 0) throw Error(ErrorCode::Unavailable, "the upload cannot be kept: " + errno_text(error));
}

void Upload::keep_as(const std::string& path, unsigned mode) {
  ::fchmod(file_->descriptor.get(), static_cast<mode_t>(mode));
  ::fsync(file_->descriptor.get());
  file_->descriptor.reset();  // a program that is open for writing cannot be started
  if (::rename(file_->path.c_str(), path.c_str()) != 0)
    throw Error(ErrorCode::Unavailable, "cannot make " + path + ": " + errno_text(errno));
}

const std::string& Upload::path() const { return file_->path; }
std::int64_t Upload::bytes() const { return file_->bytes; }
std::string Upload::digest() { return "sha256:" + file_->digest.hex(); }

}  // namespace gantry::agent
