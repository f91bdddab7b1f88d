// The Deploy API (controller/deploy) with what this process has: the API's own client on the front, and on the loop the
// store of uploaded code and the channels to the agents.
#pragma once

#include "controller/api/api.hpp"
#include "controller/api/local_client.hpp"
#include "controller/deploy/routes.hpp"
#include "providers/agent/host_set.hpp"
#include "providers/source/upload_store.hpp"

namespace gantry::app {

class DeployApi {
 public:
  DeployApi(api::Handler& next, api::Api& api, Reactor& front, Reactor& loop, Random& random,
            providers::source::UploadStore& uploads, providers::agent::HostSet& hosts);
  api::Handler& handler() { return routes_; }

 private:
  Task<std::string> keep(std::string archive);
  Task<json::Value> ask_agent(std::string server, std::string path, json::Value body, Duration limit);

  Reactor& front_;
  Reactor& loop_;
  providers::source::UploadStore& uploads_;
  providers::agent::HostSet& hosts_;
  api::LocalClient client_;
  deploy::Service service_;
  deploy::Routes routes_;
};

}  // namespace gantry::app
