// Makes of an App's source what its instances run: an image (pulled, or built from code), or a folder (code after its
// build command). Each making is known by a key of everything that decides its outcome, so what was made once is not
// made again; it goes on in the background, one build at a time, and the App's owner is told when it ends. On the
// loop's reactor.
//
// What is to run on Servers is there when it is Done: an image is built once and carried to each as a stream of bytes
// (ImageCarrier), without a registry; a folder is built where it is to be run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/secret.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers {

struct BuildSpec {
  enum class Kind { Pull, Image, Folder };
  Kind kind = Kind::Image;
  std::string owner_uid;
  std::string owner_namespace;
  std::string owner_name;

  std::string reference;  // Pull

  std::string digest;      // of the source
  std::string folder;      // its staged copy; nothing is written there
  std::string preset;      // auto, or its name
  std::string dockerfile;  // path in the source, or text; empty: "Dockerfile" if there is one, else the preset's
  std::string command;
  std::string output;
  std::string node_version;
  std::vector<std::string> start;  // the App's own command: what a generated image starts
  int port = 0;                    // the first; what a generated health check asks
  std::vector<std::pair<std::string, Secret>> env;
  std::string env_digest;  // keyed, of env: the key of a build must not let anybody guess a Secret

  std::int64_t memory_bytes = 2LL << 30;  // of everything that the build runs
  Duration timeout = std::chrono::minutes(20);
  std::vector<std::string> servers;  // "namespace/name": where it is to be run; none: this machine
  std::string ask;                   // a text that differs from that of a failed build asks to try again now
};
// 64 hex digits.
std::string key_of(const BuildSpec& spec);
// What the image that was built under the key is called, here and on each host that it is carried to.
std::string built_image(const std::string& ns, const std::string& app, const std::string& key);

struct BuildState {
  enum class Phase { Absent, Running, Done, Failed };
  Phase phase = Phase::Absent;
  std::string key;
  std::string image;    // Done: what to run, a digest; Folder: empty
  std::string folder;   // Done, Folder
  std::string message;  // Running: what is being done; Failed: why, and the last lines
  WallTime began{};
  WallTime ended{};
  std::optional<Duration> retry_in;  // Failed: when it is Absent again
  // Done: those of its Servers that do not have it, and why. Nobody else waits for them.
  std::map<std::string, std::string> without{};
};

// What Apps and their Releases may still ask for.
struct Needed {
  std::set<std::string> keys;    // of builds
  std::set<std::string> images;  // digests and references of what was pulled
};

class Builder {
 public:
  virtual ~Builder() = default;

  virtual Task<BuildState> look(BuildSpec spec) = 0;
  // Returns at once. Does nothing for what runs already. Error(Invalid) for what can never be built, with what to do.
  virtual Task<> begin(BuildSpec spec) = 0;
  // Whether images can be built here at all.
  virtual Task<bool> builds_images() { co_return true; }
  // Where what was built under the key lies, for runtime process.
  virtual std::string built_folder(const std::string& key) const = 0;
  // Ends the builds of that owner other than that of the key (empty: all of them).
  virtual void keep_only_build(const std::string& owner_uid, const std::string& key) = 0;
  // What was made under the key is not there any more, whatever look() believes.
  virtual void forget(const std::string& key) = 0;
  // What the owner's newest build wrote. Error(NotFound) when there is none.
  virtual Task<std::unique_ptr<LogReader>> build_log(std::string owner_uid, bool follow) = 0;
  // Removes what was made under other keys, and longer ago than that; and images that were brought for Apps, and layers
  // that failed builds have left, once nothing has needed them for `unused`.
  virtual Task<> sweep(Needed needed, Duration younger, Duration unused) = 0;

  using OnChange = std::function<void(const std::string& owner_uid)>;
  virtual void on_change(OnChange callback) = 0;
};

// Images from one host to another: what one saves, the other loads.
class ImageCarrier {
 public:
  virtual ~ImageCarrier() = default;
  virtual Task<bool> has_image(std::string image) = 0;
  // As WorkloadHost::ensure_image(); remembered, so that it can go again.
  virtual Task<std::string> pull_image(std::string reference) = 0;
  // Pieces of a tar; LogReader for its next() and close(). Error(NotFound): there is no such image.
  virtual Task<std::unique_ptr<LogReader>> save_image(std::string image) = 0;
  // `more` gives the pieces; empty: the end. Afterwards the image is here under the same digest. Error(Invalid) when
  // what comes is no image.
  virtual Task<> load_image(std::function<Task<std::string>()> more) = 0;
};

}  // namespace gantry::providers
