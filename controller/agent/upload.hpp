// A body that is written to a file as it comes: never held whole, gone when nobody takes it.
#pragma once

#include <memory>
#include <string>

#include "controller/api/handler.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/digest.hpp"

namespace gantry::agent {

class Upload final : public api::BodySink {
 public:
  // folder: ours alone; made when absent.
  Upload(Reactor& reactor, Blocking& blocking, std::string folder);
  ~Upload() override;

  Task<> take(std::string piece) override;
  // The whole body, once it has come; stays until the upload goes.
  const std::string& path() const;
  std::int64_t bytes() const;
  // "sha256:..." of all of it. Once.
  std::string digest();
  // Under another name, for good; on the same file system. Blocks.
  void keep_as(const std::string& path, unsigned mode);

 private:
  struct File;
  Reactor& reactor_;
  Blocking& blocking_;
  std::shared_ptr<File> file_;
};

}  // namespace gantry::agent
