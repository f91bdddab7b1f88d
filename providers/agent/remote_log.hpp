// A log, or another stream of bytes, as it comes from an agent. Private to this folder.
#pragma once

#include "controller/base/http_connection.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::agent {

class RemoteLog final : public LogReader {
 public:
  explicit RemoteLog(std::unique_ptr<http::ResponseStream> stream) : stream_(std::move(stream)) {}
  Task<std::string> next() override {
    std::string text;
    try {
      if (!closed_) text = co_await stream_->next();
    } catch (const Error& error) {  // tidy: closing is how whoever reads ends it
      if (error.code() != ErrorCode::Cancelled) throw;
    }
    co_return text;
  }
  void close() override {
    closed_ = true;
    stream_->close();
  }

 private:
  std::unique_ptr<http::ResponseStream> stream_;
  bool closed_ = false;
};

}  // namespace gantry::providers::agent
