// The REST API of Incus and LXD, over the daemon's socket: envelopes, errors, operations. Both speak it alike
// (https://linuxcontainers.org/incus/docs/main/rest-api/). Errors as providers/provider.hpp has them.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "controller/base/json.hpp"
#include "controller/base/unix_transport.hpp"
#include "providers/provider.hpp"

namespace gantry::providers::incus {

class Api {
 public:
  Api(Reactor& reactor, const std::string& socket) : reactor_(reactor), transport_(reactor, socket) {}

  // The answer's metadata.
  Task<json::Value> get(std::string path);
  // Nothing when there is no such thing.
  Task<std::optional<json::Value>> find(std::string path);
  // Of work that goes on: the operation's id; of work that is done: empty.
  Task<std::string> change(std::string method, std::string path, json::Value body = {});
  // Until the operation has ended or time is up. Throws when it failed.
  Task<> wait(std::string operation, Duration time);

  const std::string& socket() const { return transport_.socket_path(); }
  std::vector<CallRecord> calls(std::size_t most) const;
  // Those whose path names one of these.
  std::vector<CallRecord> calls_about(const std::vector<std::string>& things, std::size_t most) const;

 private:
  Task<json::Value> send(std::string method, std::string path, std::string body, Duration timeout);

  Reactor& reactor_;
  http::UnixTransport transport_;
  std::deque<CallRecord> calls_;  // newest first
};

// What an error's text means: the daemon has one code for many things.
Error error_of(int status, const std::string& asked, const std::string& text);

}  // namespace gantry::providers::incus
