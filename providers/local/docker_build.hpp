// An image of a folder of code, by the Docker Engine's own builder.
#pragma once

#include <memory>
#include <string>

#include "controller/base/blocking.hpp"
#include "providers/build/preset.hpp"
#include "providers/local/build_log.hpp"
#include "providers/local/docker_engine.hpp"

namespace gantry::providers::local {

// One build under way. cancel() makes run() end with Error(Cancelled); Docker kills what the build runs then.
class DockerBuild {
 public:
  DockerBuild(Reactor& reactor, Blocking& blocking, DockerEngine& engine, BuildLog& log)
      : reactor_(reactor), blocking_(blocking), engine_(engine), log_(log) {}
  // The image's digest. Error(Invalid): the build failed, with its last lines; Timeout: it did not end in time;
  // Unavailable: Docker went away, or its disk is full.
  Task<std::string> run(const BuildSpec& spec, std::string key, std::string host_id);
  void cancel();
  // What Docker has told of itself on the way; of use when the build fails.
  struct Traces {
    std::string key;                      // of what is built
    std::vector<std::string> containers;  // that its commands ran in
    std::vector<std::string> layers;      // images, oldest first: bases, layers of earlier builds, and its own
    std::string step;                     // the last one that was begun: "RUN make"
    bool cut_off = false;                 // Docker did not end it by itself
  };
  const Traces& traces() const { return traces_; }

 private:
  Task<bool> docker_is_gone();
  Task<> follow(const BuildSpec& spec);
  void take(const std::string& line);

  Reactor& reactor_;
  Blocking& blocking_;
  DockerEngine& engine_;
  BuildLog& log_;
  std::unique_ptr<http::ResponseStream> stream_;
  Traces traces_;
  std::string error_;
  std::int64_t exit_code_ = 0;  // of the command that failed
  bool cancelled_ = false;
  bool late_ = false;
};

}  // namespace gantry::providers::local
