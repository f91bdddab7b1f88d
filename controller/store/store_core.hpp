// EmbeddedStore: what lies between the contract and the engine. Front thread only.
#pragma once

#include "controller/base/error.hpp"
#include "controller/base/signal.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/index.hpp"
#include "controller/store/watch.hpp"
#include "controller/store/write_queue.hpp"

namespace gantry::store {

class EmbeddedStore final : public Store {
 public:
  // Loads everything that the engine holds; blocks.
  EmbeddedStore(Reactor& front, Blocking& blocking, std::shared_ptr<Engine> engine, StoreOptions options,
                std::unique_ptr<Cipher> cipher);
  ~EmbeddedStore() override;

  Revision revision() const override { return durable_; }
  Revision oldest_revision() const override { return floor_; }
  ObjectPtr find(const Key& key) const override;
  Page list(Resource resource, const ListOptions& options) const override;
  std::size_t count(Resource resource) const override;
  Task<ObjectPtr> create(Key key, Encoded object, WriteOptions options) override;
  Task<ObjectPtr> update(Key key, Revision expected, Encoded object, WriteOptions options) override;
  Task<ObjectPtr> remove(Key key, Revision expected, Encoded last, WriteOptions options) override;
  void restate(ObjectPtr object) override;
  std::unique_ptr<Watch> watch(Resource resource, Revision from) override;
  Task<> compact(Revision oldest) override;
  Task<> backup(std::string path) override;
  Task<> close() override;

 private:
  enum class Verb { Create, Update, Remove };
  struct Write {
    Verb verb = Verb::Create;
    Key key;
    Revision expected = 0;
    Encoded object;
    std::optional<Fence> fence;
  };
  // Why a write may not be made, and the batch that must be durable before that may be said.
  struct Objection {
    Error error;
    BatchPtr depends_on;
  };
  struct State {
    ObjectPtr object;  // null when absent
    BatchPtr batch;    // null when durable
  };
  struct Room;

  Task<ObjectPtr> write(Write write);
  std::optional<Objection> judge(const Write& write);
  std::optional<Objection> judge_fence(const Fence& fence);
  State newest(const Key& key) const;
  ObjectPtr stamp(const Write& write);

  Room& room(Resource resource);
  const Room* find_room(Resource resource) const;
  void publish(const Batch& batch);
  void record(const Change& change, ObjectPtr before, Instant now);
  void load(Engine& engine);

  // The window.
  bool over(Instant now) const;
  void trim(Instant now);
  void pass_oldest();
  void arm();

  friend class Loader;

  Reactor& front_;
  Blocking& blocking_;
  StoreOptions options_;
  std::unique_ptr<Cipher> cipher_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const RowCodec> codec_;

  std::unordered_map<Resource, Room, ResourceHash> rooms_;
  History history_;
  std::shared_ptr<Cursors> cursors_ = std::make_shared<Cursors>();
  Revision durable_ = 0;
  Revision last_ = 0;   // the newest given out
  Revision floor_ = 0;  // of the window
  std::uint64_t key_id_ = 0;
  std::size_t live_bytes_ = 0;
  std::optional<Clock::TimerId> timer_;
  std::unordered_map<Key, std::pair<Revision, std::int64_t>, object::KeyHash> epochs_;  // of leases, by their revision
  Gate gate_;
  bool closed_ = false;
  std::unique_ptr<WriteQueue> queue_;
};

}  // namespace gantry::store
