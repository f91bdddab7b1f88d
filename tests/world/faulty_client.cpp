#include "tests/world/faulty_client.hpp"

namespace gantry::world {

using api::ObjectPtr;

class FaultyClient::Stream final : public api::WatchStream {
 public:
  Stream(FaultyClient& client, std::unique_ptr<api::WatchStream> inner) : client_(client), inner_(std::move(inner)) {
    client_.streams_.insert(this);
  }
  ~Stream() override { client_.streams_.erase(this); }

  Task<std::vector<api::Change>> next() override {
    while (true) {
      std::vector<api::Change> changes = co_await inner_->next();
      co_await client_.line_.while_alive();
      while (client_.held_ && !closed_) co_await client_.released_.wait();
      co_await client_.line_.while_alive();
      if (changes.empty() || closed_) co_return std::vector<api::Change>{};
      if (client_.lets_through) {
        std::erase_if(changes, [this](const auto& change) { return !client_.lets_through(change); });
      }
      if (changes.empty()) continue;
      seen_ = inner_->revision();
      co_return changes;
    }
  }
  // What was read and then thrown away by close() was not delivered.
  api::Revision revision() const override { return closed_ ? seen_ : inner_->revision(); }
  void close() override {
    closed_ = true;
    inner_->close();
    client_.released_.notify_all();
  }

 private:
  FaultyClient& client_;
  std::unique_ptr<api::WatchStream> inner_;
  api::Revision seen_ = 0;
  bool closed_ = false;
};

Task<ObjectPtr> FaultyClient::write(std::string name, std::function<Task<ObjectPtr>()> call) {
  ++writes_;
  co_return co_await line_.pass<ObjectPtr>(std::move(name), std::move(call));
}

Task<ObjectPtr> FaultyClient::find(api::Key key) {
  co_return co_await line_.pass<ObjectPtr>("find " + key.to_string(), [&] { return inner_.find(key); });
}

Task<api::List> FaultyClient::list(api::Resource resource, api::ListOptions options) {
  ++lists_;
  if (const auto staged = staged_lists_.find(resource); staged != staged_lists_.end()) {
    api::List list = std::move(staged->second);
    staged_lists_.erase(staged);
    co_return list;
  }
  co_return co_await line_.pass<api::List>("list " + std::string(resource.qualified()),
                                           [&] { return inner_.list(resource, options); });
}

Task<std::unique_ptr<api::WatchStream>> FaultyClient::watch(api::Resource resource, api::Revision from,
                                                            api::ListOptions options) {
  co_await line_.while_alive();
  if (std::exchange(expiries_seen_[resource], expired_) < expired_) {
    throw Error(ErrorCode::Expired, "test: the history is gone");
  }
  co_return std::make_unique<Stream>(*this, co_await inner_.watch(resource, from, options));
}

Task<ObjectPtr> FaultyClient::create(api::Resource resource, json::Value object, api::WriteOptions options) {
  const json::Value* name = object.at({"metadata", "name"});
  co_return co_await write("create " + std::string(resource.qualified()) + " " + (name ? name->as_string() : ""),
                           [&] { return inner_.create(resource, object, options); });
}

Task<ObjectPtr> FaultyClient::update(api::Resource resource, json::Value object, api::WriteOptions options) {
  co_return co_await write("update " + std::string(resource.qualified()),
                           [&] { return inner_.update(resource, object, options); });
}

Task<ObjectPtr> FaultyClient::update_status(api::Resource resource, json::Value object, api::WriteOptions options) {
  co_return co_await write("update_status " + std::string(resource.qualified()),
                           [&] { return inner_.update_status(resource, object, options); });
}

Task<ObjectPtr> FaultyClient::patch(api::Key key, api::PatchType type, json::Value patch, api::WriteOptions options) {
  co_return co_await write("patch " + key.to_string(), [&] { return inner_.patch(key, type, patch, options); });
}

Task<ObjectPtr> FaultyClient::patch_status(api::Key key, api::PatchType type, json::Value patch,
                                           api::WriteOptions options) {
  co_return co_await write("patch_status " + key.to_string(),
                           [&] { return inner_.patch_status(key, type, patch, options); });
}

Task<ObjectPtr> FaultyClient::finalize(api::Resource resource, json::Value object, api::WriteOptions options) {
  co_return co_await write("finalize " + std::string(resource.qualified()),
                           [&] { return inner_.finalize(resource, object, options); });
}

Task<> FaultyClient::remove(api::Key key, api::Preconditions preconditions, std::string propagation) {
  ++writes_;
  co_await line_.pass<void>("remove " + key.to_string(),
                            [&] { return inner_.remove(key, preconditions, propagation); });
}

void FaultyClient::cut_watches() {
  for (Stream* stream : std::set<Stream*>(streams_)) stream->close();
}

void FaultyClient::hold_watches(bool hold) {
  held_ = hold;
  if (!hold) released_.notify_all();
}

void FaultyClient::answer_list_with(api::Resource resource, api::List list) {
  staged_lists_[resource] = std::move(list);
}

}  // namespace gantry::world
