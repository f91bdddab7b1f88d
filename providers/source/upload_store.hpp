// Archives on their way from `gantry deploy`: sent in pieces, so that neither side ever holds one whole, and known by
// the digest of their bytes, so that an upload that was cut off goes on where it ended and two of the same are one.
// Once whole and verified, an archive becomes a copy of its code (SourceStore) and is gone. On the loop's reactor.
#pragma once

#include <map>
#include <string>

#include "providers/source/source_store.hpp"

namespace gantry::providers::source {

struct UploadLimits {
  std::int64_t bytes = 512LL << 20;    // of one archive
  std::int64_t all_bytes = 2LL << 30;  // of all that are on their way
  std::size_t piece = 4 << 20;
  Duration kept = std::chrono::hours(1);  // what nobody goes on with
};

class UploadStore {
 public:
  UploadStore(Reactor& reactor, Blocking& blocking, SourceStore& sources, std::string folder, UploadLimits limits = {});

  // How much of it is here.
  Task<std::int64_t> received(std::string digest);
  // Adds a piece behind what is here, and says how much that is then. Error(Conflict): it does not fit there;
  // TooLarge; Unavailable: the disk is full, and what was there before still is.
  Task<std::int64_t> add(std::string digest, std::int64_t offset, std::string piece);
  // The digest of the code in it, for spec.source.code.upload. Error(Conflict): the bytes are not those of the digest
  // and are forgotten; errors of unpack(), after which they are forgotten too.
  Task<std::string> finish(std::string digest);

 private:
  std::string path_of(const std::string& digest) const;

  Reactor& reactor_;
  Blocking& blocking_;
  SourceStore& sources_;
  std::string folder_;
  UploadLimits limits_;
  std::map<std::string, std::string> finished_;  // what an archive became: whoever asks twice is told twice
};

}  // namespace gantry::providers::source
