// Which Servers have an agent that this controller speaks to, and how it is with each. Written by the Server's
// reconciler; read by whoever places Apps. On the loop's reactor.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers {

// How agents of old were given their keys: the first 32 hex characters of HMAC-SHA256(key = the cloud's token,
// message = "node-agent:" + the user's id as text).
std::string derived_agent_key(std::string_view token, std::string_view user_id);

struct AgentEndpoint {
  std::string url;      // https://10.0.0.5:9999
  std::string address;  // where ports of what runs there are reached
  std::string ca;       // PEM; its certificate must be signed by it and carry the URL's host
  std::string pin;      // "sha256:...": its certificate must be that one; instead of ca
  Secret key;
  std::string relays;   // PEM: who signs the certificates of our relays; its tunnel lets them in. Empty: no tunnel
  Secret previous_key;  // tried where the key is refused: the agent is then told the new one
  bool operator==(const AgentEndpoint& other) const {
    return url == other.url && address == other.address && ca == other.ca && pin == other.pin &&
           relays == other.relays && key.reveal() == other.key.reveal() &&
           previous_key.reveal() == other.previous_key.reveal();
  }
};

// How it is with one agent.
struct AgentContact {
  bool connected = false;
  bool ever = false;       // since this process began
  WallTime last_heard{};   // when ever
  Instant silent_since{};  // when not connected: since when nothing was heard, or since the first try
  std::string version;     // of the last one heard
  std::string problem;     // why not connected, for people
  bool refused = false;    // it answers, but not to us: the key or the certificate is wrong
};

class HostDirectory {
 public:
  virtual ~HostDirectory() = default;
  // `server`: "namespace/name". Begins to speak to the agent, or goes on as the new endpoint says. The same again
  // changes nothing.
  virtual void keep(const std::string& server, const AgentEndpoint& endpoint) = 0;
  virtual bool keeps(const std::string& server, const AgentEndpoint& endpoint) const = 0;
  virtual void forget(const std::string& server) = 0;
  virtual std::optional<AgentContact> contact(const std::string& server) const = 0;
  // Null when it is not kept.
  virtual std::shared_ptr<WorkloadHost> find_host(const std::string& server) const = 0;
  // Its GET /health: capacity, usage, ... Throws Error.
  virtual Task<json::Value> health(std::string server) = 0;
  // Whether it may fall asleep while something runs on it: {"wanted", "held", "problem"}, as its health says it. Throws
  // Error.
  virtual Task<json::Value> keep_awake(std::string server, bool keep) = 0;
  // Called when a contact was made or lost.
  virtual void on_contact(std::function<void(const std::string& server)> callback) = 0;
};

}  // namespace gantry::providers
