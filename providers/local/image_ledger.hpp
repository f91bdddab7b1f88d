// What lies in this machine's Docker because of us, so that it can go again when nothing has needed it for long: images
// that were pulled, images that were carried here, and what failed builds have left. What is not written here is
// somebody else's, and is never removed. On the loop's reactor; kept in one small file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/json.hpp"
#include "controller/base/log.hpp"
#include "providers/builder.hpp"
#include "providers/local/docker_engine.hpp"

namespace gantry::providers::local {

class ImageLedger {
 public:
  ImageLedger(Reactor& reactor, Blocking& blocking, std::string path)
      : reactor_(reactor), blocking_(blocking), path_(std::move(path)) {}
  Task<> open();

  Task<> pulled(std::string reference, std::string digest);
  Task<> carried(std::string name);
  // Ids of untagged images, oldest first.
  Task<> left_by_build(std::vector<std::string> layers);

  // Removes what was not needed for that long. Throws Error(Unavailable) when Docker does not answer.
  Task<> sweep(DockerEngine& engine, Needed needed, Duration unused);

 private:
  enum class Kind { Pulled, Carried, Layer };
  struct Entry {
    Kind kind = Kind::Pulled;
    std::string digest;  // Pulled
    WallTime needed{};   // for the last time
    std::size_t order = 0;
  };
  using Entries = std::map<std::string, Entry>;  // by name; of what was pulled "reference digest"

  static bool is_needed(const std::string& name, const Entry& entry, const Needed& needed);
  // True when it is gone, or is no business of ours any more.
  Task<bool> remove(DockerEngine& engine, std::string name, Entry entry);
  Task<> note(std::string name, Entry entry);
  Task<> write();

  Reactor& reactor_;
  Blocking& blocking_;
  std::string path_;
  Entries entries_;
  std::size_t last_ = 0;
  log::Logger log_{"images"};
};

}  // namespace gantry::providers::local
