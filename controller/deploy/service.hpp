// The deploy service: requests of the Deploy API become objects, and what becomes of those is told as events. It knows
// no provider, no agent and no host: what happens to an App, a Server or a Snapshot is its reconciler's business, and
// read off its status. A run outlives the request that began it. On the front's reactor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/random.hpp"
#include "controller/deploy/event_log.hpp"
#include "controller/deploy/objects.hpp"

namespace gantry::deploy {

class Service {
 public:
  struct Parts {
    Reactor& reactor;
    api::Client& client;
    Random& random;
    // Keeps an archive of code, and says by which digest spec.source.code.upload finds it.
    std::function<Task<std::string>(std::string archive)> keep_code;
    // An operation of the agent of a Server ("namespace/name"): POST of that path. Throws what the agent says.
    std::function<Task<json::Value>(std::string server, std::string path, json::Value body, Duration limit)> ask_agent;
    Duration patience = std::chrono::minutes(30);      // with one run
    Duration agents = std::chrono::minutes(2);         // until the agents of the servers that were named answer
    Duration glance = std::chrono::milliseconds(500);  // between two looks at it
  };
  explicit Service(Parts parts) : parts_(std::move(parts)) {}

  // The Provider that the rest is made at, from a token that came with a request.
  Task<> use_token(Secret token, std::string ns);

  using Run = std::shared_ptr<EventLog>;
  Run deploy(DeployRequest request, std::string ns);
  Run build_image(ImageBuild build, std::string ns);
  Run provision(DeployRequest wanted, std::string ns);
  struct Begun {
    Run run;
    std::string ns;
    std::string resource;  // what comes of it: apps, servers, snapshots
  };
  // Null when nobody knows it any more: an hour after its end.
  const Begun* find_run(const std::string& id) const;

  Task<json::Value> setup_status(std::string ns);
  Task<json::Value> snapshots(std::string ns);
  Task<json::Value> servers(std::string ns);
  Task<json::Value> agent_health(std::string ns, std::string ip);
  // Only of a known Server, or this would be an open relay: else Error(NotFound).
  Task<json::Value> ask_agent(std::string ns, std::string ip, std::string path, json::Value body, Duration limit);
  // `id`: an object's name, or the vendor's id of what stands behind it. Throws Error(NotFound).
  Task<json::Value> transfer_everywhere(std::string ns, std::string id);
  // Throws Error(Conflict) while something starts from it, unless forced.
  Task<> remove_snapshot(std::string ns, std::string id, bool force);
  // What is gone is fine. Says which Apps ran there.
  Task<json::Value> remove_server(std::string ns, std::string id);
  Task<std::string> keep_code(std::string archive) { return parts_.keep_code(std::move(archive)); }

 private:
  using Steps = std::function<Task<>(EventLog&)>;
  Run begin(std::string ns, std::string resource, Steps steps);
  Task<> carry_out(Run run, Steps steps);

  Task<> deploy_steps(EventLog& log, DeployRequest request, std::string ns);
  Task<> apply(EventLog& log, const std::vector<Declared>& objects);
  // Tells what is said of them until `over` has an answer, or patience ends. The answer: whether it went well.
  Task<bool> follow(EventLog& log, std::vector<object::Key> keys,
                    std::function<std::optional<bool>(const json::Value&)> over);
  Task<Places> places_of(const DeployRequest& request, const std::string& ns);
  Task<> wait_for_agents(EventLog& log, const DeployRequest& request, const std::string& ns);
  std::string fresh_name(const std::string& beginning, const std::vector<json::Value>& servers);
  // Of each server, and what to say when it did not go well.
  Task<> tell_outcome(EventLog& log, const Places& places, const object::Key& app, bool success, std::string failure);

  Task<std::vector<json::Value>> list(std::string_view plural, std::string ns);
  Task<json::Value> server_with(std::string ns, std::string ip);
  Task<json::Value> named(std::string_view plural, std::string ns, std::string id);

  Parts parts_;
  std::map<std::string, Begun> runs_;
};

}  // namespace gantry::deploy
