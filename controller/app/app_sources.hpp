// Where Apps come from on the controller's machine: sources, uploads and builds behind one door, with the broom that
// removes what no Release names any more.
#pragma once

#include <memory>
#include <string>

#include "controller/api/client.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"
#include "providers/agent/build_set.hpp"
#include "providers/local/workshop.hpp"
#include "providers/source/source_store.hpp"
#include "providers/source/upload_store.hpp"

namespace gantry::app {

class AppSources {
 public:
  // host: this machine, where build commands run. hosts: all of them. unused_images: how long what was pulled for Apps
  // stays without being needed.
  AppSources(Reactor& loop, Blocking& blocking, api::Client& client, providers::WorkloadHost& host,
             providers::agent::HostSet& hosts, std::string data_dir, std::string docker_socket, Duration unused_images);

  // After the host was opened. host_id: what it marks its containers with.
  Task<> open(std::string host_id);
  // False when a call to a Server does not come to an end; this must not be destroyed then.
  Task<bool> close();

  providers::Sources& sources() { return sources_; }
  providers::Builder& builder() { return builds_; }
  providers::ImageCarrier& images() { return workshop_; }
  providers::source::UploadStore& uploads() { return uploads_; }

 private:
  Task<> sweep_for_ever(Gate::Pass pass);
  Task<> sweep();

  Reactor& loop_;
  api::Client& client_;
  providers::agent::HostSet& hosts_;
  Duration unused_images_;
  providers::source::SourceStore sources_;
  providers::source::UploadStore uploads_;
  providers::local::Workshop workshop_;
  providers::agent::BuildSet builds_;
  Signal ending_;
  Gate gate_;
};

}  // namespace gantry::app
