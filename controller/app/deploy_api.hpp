// The Deploy API (controller/deploy) with what this process has: the API's own client on the front, and the store of
// uploaded code on the loop.
#pragma once

#include "controller/api/api.hpp"
#include "controller/api/local_client.hpp"
#include "controller/deploy/routes.hpp"
#include "providers/source/upload_store.hpp"

namespace gantry::app {

class DeployApi {
 public:
  DeployApi(api::Handler& next, api::Api& api, Reactor& front, Reactor& loop, Random& random,
            providers::source::UploadStore& uploads);
  api::Handler& handler() { return routes_; }

 private:
  Task<std::string> keep(std::string archive);

  Reactor& front_;
  Reactor& loop_;
  providers::source::UploadStore& uploads_;
  api::LocalClient client_;
  deploy::Service service_;
  deploy::Routes routes_;
};

}  // namespace gantry::app
