// The Docker Engine API over its Unix socket: the version agreed upon, errors made Errors of ours. On one reactor's
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "controller/base/unix_transport.hpp"

namespace gantry::providers::local {

class DockerEngine {
 public:
  DockerEngine(Reactor& reactor, std::string socket_path);

  // The answer's JSON; null when there is none. Codes: Unavailable (Docker does not answer), NotFound, Conflict,
  // Invalid, and Internal for the rest; the message is Docker's own, with what was being done in front.
  Task<json::Value> call(std::string_view doing, std::string method, std::string path, json::Value body = {},
                         Duration timeout = std::chrono::seconds(30));
  // The same, for answers that are not one JSON document.
  Task<std::string> text(std::string_view doing, std::string method, std::string path, Duration timeout,
                         std::string content_type = {}, std::string body = {});
  Task<std::unique_ptr<http::ResponseStream>> stream(std::string_view doing, std::string path);
  // Sends a body piece by piece (empty: the end); the time is for all of it, and for the head of the answer.
  Task<std::unique_ptr<http::ResponseStream>> send_stream(std::string_view doing, std::string path,
                                                          std::string content_type,
                                                          std::function<Task<std::string>()> more, Duration timeout);

  // Whatever is under way ends with Error(Cancelled), and so does all that is begun afterwards.
  void close();
  const std::string& socket_path() const { return endpoint_.host; }

 private:
  Task<http::Request> request(std::string method, std::string path);
  Task<> agree_on_version();
  [[noreturn]] void refuse(std::string_view doing, int status, std::string_view body) const;
  Error unreachable(std::string_view doing, const Error& cause) const;
  Task<std::shared_ptr<http::Connection>> connect(Duration timeout);
  Task<http::Response> send(http::Request question);
  Task<std::unique_ptr<http::ResponseStream>> open_stream(std::string what, http::Request question);

  Reactor& reactor_;
  http::Endpoint endpoint_;
  std::vector<std::weak_ptr<http::Connection>> open_;
  bool closed_ = false;
  std::string version_;  // "1.41"; empty until agreed upon
};

}  // namespace gantry::providers::local
