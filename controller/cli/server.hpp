// The API server as the commands see it: requests and answers, one after the other or many at once, and streams.
// RemoteServer speaks HTTPS; the tests have a scripted one.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::cli {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kTable =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
inline constexpr std::string_view kApplyPatch = "application/apply-patch+yaml";
inline constexpr std::string_view kMergePatch = "application/merge-patch+json";

// What the server itself answered, as against what went wrong on this side of the wire.
class ServerError : public Error {
 public:
  using Error::Error;
};

struct Request {
  std::string method = "GET";
  std::string path;  // with its query, percent-encoded
  std::string accept = std::string(kJson);
  std::string content_type;  // when there is a body
  std::string body;
};

struct Response {
  int status = 0;
  std::string content_type;
  std::vector<std::string> warnings;  // the texts of the Warning headers
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  // The Status in an answer that is not ok, as an exception.
  ServerError error() const;
  // Throws error() unless ok. The body as JSON.
  json::Value json() const;
};

// A metav1.Status, as it also comes inside a watch.
ServerError error_of_status(const json::Value& status, int http_status);

class Server {
 public:
  virtual ~Server() = default;
  virtual std::string address() const = 0;            // https://127.0.0.1:6443
  virtual std::string default_namespace() const = 0;  // of the context in use

  // Any status is an answer. Throws Error(Unavailable) or Error(Timeout) when none came.
  virtual Response send(const Request& request) = 0;
  // Started in order, several under way at a time, answered in order.
  virtual std::vector<Response> send_all(const std::vector<Request>& requests);
  // Calls on_line for each line of the body as it comes, until the server ends it, on_line returns false or the time
  // is up; only then is the answer false. Throws error() when the answer is not ok.
  virtual bool stream(const Request& request, const std::function<bool(std::string_view)>& on_line,
                      std::optional<Duration> timeout = std::nullopt) = 0;
  // Lets time pass.
  virtual void pause(Duration duration) = 0;
};

// "?a=b&c=d", encoded; terms with an empty value are left out. Empty when nothing is left.
std::string query(std::initializer_list<std::pair<std::string_view, std::string_view>> terms);
// One segment of a path: slashes are encoded too.
std::string path_segment(std::string_view text);

}  // namespace gantry::cli
