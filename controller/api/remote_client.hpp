// The API over HTTP(S), for the command line and the agent: this controller's, or any Kubernetes server's.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "controller/api/client.hpp"
#include "controller/api/kubeconfig.hpp"
#include "controller/base/error.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/unix_transport.hpp"

namespace gantry::api {

class RemoteClient final : public Client {
 public:
  // Connects when first used; keeps a few connections. Throws Error(Invalid) when the config cannot be used.
  RemoteClient(Reactor& reactor, Kubeconfig config, Duration timeout = std::chrono::seconds(60));
  ~RemoteClient() override;

  const Kubeconfig& config() const { return config_; }

  Task<ObjectPtr> find(Key key) override;
  Task<List> list(Resource resource, ListOptions options = {}) override;
  Task<std::unique_ptr<WatchStream>> watch(Resource resource, Revision from, ListOptions options = {}) override;
  Task<ObjectPtr> create(Resource resource, json::Value object, WriteOptions options = {}) override;
  Task<ObjectPtr> update(Resource resource, json::Value object, WriteOptions options = {}) override;
  Task<ObjectPtr> update_status(Resource resource, json::Value object, WriteOptions options = {}) override;
  Task<ObjectPtr> patch(Key key, PatchType type, json::Value patch, WriteOptions options = {}) override;
  Task<ObjectPtr> patch_status(Key key, PatchType type, json::Value patch, WriteOptions options = {}) override;
  Task<ObjectPtr> finalize(Resource resource, json::Value object, WriteOptions options = {}) override;
  Task<> remove(Key key, Preconditions preconditions = {}, std::string propagation = "Background") override;

  // As the server says it, for the command line: any status is an answer. url: the path and query, encoded. Who is
  // asking is added to the headers.
  Task<http::Response> send(http::Request request);
  // An answer that goes on, on a connection of its own; the timeout is for its head.
  Task<std::unique_ptr<http::ResponseStream>> stream(http::Request request);

 private:
  Task<std::string> collection(Resource resource, const std::string& ns);
  Task<std::string> path_of(Key key);
  Task<json::Value> ask(http::Request request);
  Task<ObjectPtr> write(std::string method, std::string path, std::string content_type, Resource resource,
                        json::Value body, WriteOptions options);
  Task<ObjectPtr> put(Resource resource, std::string subresource, json::Value object, WriteOptions options);
  Task<ObjectPtr> send_patch(Key key, std::string subresource, PatchType type, json::Value patch, WriteOptions options);

  Kubeconfig config_;
  Duration timeout_;
  std::string prefix_;  // of a server behind a path: https://host/k8s/clusters/c-1
  std::unique_ptr<tls::Context> tls_;
  http::Pool pool_;
  std::map<std::string, std::string> versions_;  // preferred, by group
};

// The error that a Status body stands for; for a body that is none, one that says what the server said.
Error error_of_response(const http::Response& response);

}  // namespace gantry::api
