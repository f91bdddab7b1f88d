// A Client whose calls pass a Lifeline, and whose watches can be cut, thinned out, held back and expired.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/signal.hpp"
#include "tests/world/faults.hpp"

namespace gantry::world {

class FaultyClient final : public api::Client {
 public:
  FaultyClient(Reactor& reactor, api::Client& inner, Lifeline& line) : inner_(inner), line_(line), released_(reactor) {}

  Task<api::ObjectPtr> find(api::Key key) override;
  Task<api::List> list(api::Resource resource, api::ListOptions options) override;
  Task<std::unique_ptr<api::WatchStream>> watch(api::Resource resource, api::Revision from,
                                                api::ListOptions options) override;
  Task<api::ObjectPtr> create(api::Resource resource, json::Value object, api::WriteOptions options) override;
  Task<api::ObjectPtr> update(api::Resource resource, json::Value object, api::WriteOptions options) override;
  Task<api::ObjectPtr> update_status(api::Resource resource, json::Value object, api::WriteOptions options) override;
  Task<api::ObjectPtr> patch(api::Key key, api::PatchType type, json::Value patch, api::WriteOptions options) override;
  Task<api::ObjectPtr> patch_status(api::Key key, api::PatchType type, json::Value patch,
                                    api::WriteOptions options) override;
  Task<api::ObjectPtr> finalize(api::Resource resource, json::Value object, api::WriteOptions options) override;
  Task<> remove(api::Key key, api::Preconditions preconditions, std::string propagation) override;

  // Ends every watch that is open now, as when a server restarts.
  void cut_watches();
  // Says which changes get through; the others are never seen.
  std::function<bool(const api::Change&)> lets_through;
  // While held, watches are silent; what happened comes later.
  void hold_watches(bool hold);
  // The next watch of each resource finds its history gone.
  void expire_history() { ++expired_; }
  // Stands in for the next list of this resource, once: a server that lags.
  void answer_list_with(api::Resource resource, api::List list);

  std::size_t writes() const { return writes_; }
  std::size_t lists() const { return lists_; }

 private:
  class Stream;
  Task<api::ObjectPtr> write(std::string name, std::function<Task<api::ObjectPtr>()> call);

  api::Client& inner_;
  Lifeline& line_;
  Signal released_;
  std::set<Stream*> streams_;
  bool held_ = false;
  int expired_ = 0;
  std::map<api::Resource, int> expiries_seen_;
  std::map<api::Resource, api::List> staged_lists_;
  std::size_t writes_ = 0;
  std::size_t lists_ = 0;
};

}  // namespace gantry::world
