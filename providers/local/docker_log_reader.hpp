// A container's log as Docker streams it, its frames taken apart.
#pragma once

#include <memory>

#include "controller/base/unix_transport.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// The query of GET /containers/<id>/logs.
std::string docker_logs_query(const LogQuery& query);

class DockerLogReader final : public LogReader {
 public:
  explicit DockerLogReader(std::unique_ptr<http::ResponseStream> stream) : stream_(std::move(stream)) {}
  Task<std::string> next() override;
  void close() override;

 private:
  std::unique_ptr<http::ResponseStream> stream_;
  http::FrameSplitter frames_;
  bool closed_ = false;
};

}  // namespace gantry::providers::local
