// The client inside the process: the same verbs as over HTTP.
#include "controller/api/local_client.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;

class LocalClientTest : public ApiTest {
 protected:
  static inline const Resource kResource = Resource::of("infra.gantry.dev", "apps");
  json::Value an_app(std::string name) {
    return json::Object{{"metadata", json::Object{{"name", name}, {"namespace", "default"}}},
                        {"spec", json::Object{{"image", "x"}}}};
  }
  LocalClient& client() {
    if (!client_) client_.emplace(front, front, api->plane());
    return *client_;
  }

 private:
  std::optional<LocalClient> client_;
};

TEST_F(LocalClientTest, WritesThroughTheSameAdmission) {
  const auto made = run(client().create(kResource, an_app("web"), {}));
  EXPECT_EQ(at(made->decode(), "spec.replicas"), json::Value(1));
  EXPECT_EQ(made->meta().generation, 1);
  auto wrong = an_app("wrong");
  wrong["spec"]["nosuch"] = 1;
  EXPECT_THROW(run(client().create(kResource, wrong, {})), Error);
  EXPECT_EQ(run(client().find(made->key())), made);
  EXPECT_EQ(run(client().find({kResource, "default", "nosuch"})), nullptr);
}

TEST_F(LocalClientTest, UpdatesPatchesAndRemoves) {
  const auto made = run(client().create(kResource, an_app("web"), {}));
  auto object = made->decode();
  object["status"] = json::Object{{"phase", "Running"}};
  const auto with_status = run(client().update_status(kResource, object, {}));
  EXPECT_EQ(at(with_status->decode(), "status.phase"), json::Value("Running"));
  EXPECT_EQ(run(client().update_status(kResource, with_status->decode(), {})), with_status)
      << "nothing changed, nothing written";
  const auto patched =
      run(client().patch(made->key(), PatchType::Merge, json::Object{{"spec", json::Object{{"replicas", 4}}}}, {}));
  EXPECT_EQ(at(patched->decode(), "spec.replicas"), json::Value(4));
  const auto applied = run(client().patch(made->key(), PatchType::Apply, an_app("web"), {.field_manager = "source"}));
  EXPECT_EQ(applied->decode().at({"metadata", "managedFields"})->as_array()[0].string_or("manager"), "source");
  try {
    run(client().update(kResource, made->decode(), {}));
    FAIL() << "the revision is old";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Conflict);
  }
  front.spawn(client().remove(made->key(), {}, "Background"));
  while (front.poll() > 0) {
  }
  EXPECT_EQ(run(client().find(made->key())), nullptr);
}

TEST_F(LocalClientTest, ALostFenceIsTold) {
  const Key lease{Resource::of("coordination.k8s.io", "leases"), "default", "leader"};
  run(client().create(lease.resource,
                      json::Object{{"metadata", json::Object{{"name", "leader"}, {"namespace", "default"}}},
                                   {"spec", json::Object{{"leaseTransitions", 2}}}},
                      {}));
  EXPECT_TRUE(run(client().create(kResource, an_app("a"), {.fence = store::Fence{lease, 2}})));
  try {
    run(client().create(kResource, an_app("b"), {.fence = store::Fence{lease, 1}}));
    FAIL() << "the lease was lost";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Conflict);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("no longer held at epoch 1"));
  }
}

TEST_F(LocalClientTest, WatchesFromWhereItListed) {
  run(client().create(kResource, an_app("a"), {}));
  const auto list = run(client().list(kResource, {}));
  EXPECT_EQ(list.items.size(), 1u);
  auto watch = run(client().watch(kResource, list.revision, {}));
  run(client().create(kResource, an_app("b"), {}));
  run(client().create(kResource, an_app("c"), {}));
  const auto changes = run(watch->next());
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].type, Change::Type::Added);
  EXPECT_EQ(changes[1].object->key().name, "c");
  EXPECT_EQ(watch->revision(), store->revision());
  watch->close();
  while (front.poll() > 0) {
  }
  EXPECT_TRUE(run(watch->next()).empty());
}

TEST_F(LocalClientTest, CrossesToTheFrontAndBack) {
  Reactor loop{"loop", clock};
  LocalClient there(front, loop, api->plane());
  std::optional<List> listed;
  std::vector<std::string> seen;
  const auto work = [&]() -> Task<> {
    co_await there.create(kResource, an_app("a"), {});
    auto watch = co_await there.watch(kResource, 0, {});
    co_await there.create(kResource, an_app("b"), {});
    while (seen.size() < 2) {
      for (const auto& change : co_await watch->next()) seen.push_back(change.object->key().name);
    }
    listed = co_await there.list(kResource, {});
  };
  loop.spawn(work());
  for (int i = 0; i < 10'000 && !listed; ++i) {
    loop.poll();
    front.poll();
  }
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->items.size(), 2u);
  EXPECT_THAT(seen, ElementsAre("a", "b"));
  for (int i = 0; i < 10; ++i) front.poll(), loop.poll();
}

}  // namespace
}  // namespace gantry::api
