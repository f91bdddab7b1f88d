// The seam between the HTTP sessions (controller/api/http: sockets, TLS, parsing, limits) and the Kubernetes API behind
// them (controller/api: routes, verbs, admission). Everything here happens on the front reactor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/task.hpp"
#include "controller/object/object.hpp"
#include "controller/store/store.hpp"

namespace gantry::api {

// Who is asking; never anonymous for a resource path.
struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  WallTime expires = WallTime::max();  // what proves it is good until then
};

// Where a body goes that is too large to be held: a file that is uploaded.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // The next piece is read when this one is dealt with. Throws Error: the request is refused with it.
  virtual Task<> take(std::string piece) = 0;
};

struct HttpRequest {
  std::string method;
  std::string path;  // percent-decoded by segment: see segments
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;    // decoded ('+' is a space), in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // empty when it went to the sink
  std::shared_ptr<BodySink> sink;
  std::optional<User> user;  // absent: not authenticated
  std::string peer;          // address of the client; empty: unknown

  const std::string* header(std::string_view lower_case_name) const;
  const std::string* parameter(std::string_view name) const;  // the first of that name
};

// A piece of a body that is not copied: text of its own, an object's bytes, or an event's frame.
using Piece = std::variant<std::string, object::ObjectPtr, store::EventPtr>;
std::string_view text_of(const Piece& piece);

// A body that goes on: a watch, or logs that are followed. One call a chunk.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Waits for the next pieces, to be sent (and flushed) as they are; empty: the end.
  virtual Task<std::vector<Piece>> next() = 0;
  // The client is gone, or the server is shutting down: wakes next(), which then returns empty.
  virtual void close() = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<Piece> body;
  std::unique_ptr<BodyStream> stream;  // when set, sent chunked after body
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Never throws for bad input: the catch that turns an Error into a Status answer is inside.
  virtual Task<HttpResponse> handle(HttpRequest request) = 0;
  // For a request whose head alone was read, and who asks is known. Null: the body is held, within the limits for that.
  virtual std::shared_ptr<BodySink> sink(const HttpRequest&) { return nullptr; }
  // The answer to a request that does not come to handle(): malformed, too large, too slow.
  virtual HttpResponse refuse(int status, const Error& error);
  // The answer to one whose head was read, and who asks has not proved who they are: 401, and no hint.
  virtual HttpResponse refuse_stranger(const HttpRequest& request);
};

// A Kubernetes Status (metav1.Status) for an error; also used for what goes wrong before a request is whole.
HttpResponse status_response(const Error& error);

}  // namespace gantry::api
