// Archives of code: unpacked with suspicion, packed so that the same folder gives the same bytes.
//
// What is unpacked comes from strangers. An entry that would lie outside the folder (absolute, "..", through a link), a
// link that leads out of it, a device, and more than the limits allow (a small archive that becomes huge) are refused
// with the entry's name, and then nothing of the archive is left. Files are written before any link is made, so no
// link of the archive can be written through. Every call blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "providers/local/code.hpp"

namespace gantry::providers::source {

struct ArchiveLimits {
  std::size_t entries = 50'000;
  std::int64_t bytes = 2LL << 30;  // unpacked
  std::int64_t ratio = 200;        // unpacked to packed, beyond the first 16 MiB
};

// tar, tar.gz or zip, whichever it is. Makes `folder`, which must not exist; folders (empty ones too), executable bits
// and links are kept. Error(Invalid): no archive, damaged, or something in it is refused; TooLarge: beyond the limits;
// Unavailable: the disk is full.
void unpack(const std::string& archive, const std::string& folder, ArchiveLimits limits = {});

// A folder as a tar, piece by piece, with what its ignore file names left out. Names, modes and content alone: no
// owners and no times.
class FolderTar {
 public:
  struct Options {
    bool gzip = false;
    // One file more, at the top; in place of the folder's own of that name.
    std::string extra_name;
    std::string extra_text;
    local::CodeLimits limits;
  };
  FolderTar(std::string folder, Options options);
  ~FolderTar();
  // Empty at the end. Error(Conflict) when a file changed its size while it was read.
  std::string next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry::providers::source
