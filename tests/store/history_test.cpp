// S6 in small: several clients do random things while the disk fails at random; everything that anybody was told must
// fit one sequence of states. The sequence is the watch's; each answer is held against it.
#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

// Runs what it was given, later, when the test's dice say so.
class DicedBlocking final : public Blocking {
 public:
  void submit(std::move_only_function<void()> fn) override { waiting_.push_back(std::move(fn)); }
  bool step() {
    if (waiting_.empty()) return false;
    auto fn = std::move(waiting_.front());
    waiting_.pop_front();
    fn();
    return true;
  }

 private:
  std::deque<std::move_only_function<void()>> waiting_;
};

struct Told {
  enum class What { Created, Updated, Removed, Exists, Missing, Lost, Unavailable };
  What what;
  Key key;
  Revision expected = 0;  // of the write
  Revision revision = 0;  // of the answer, when there was one
  std::string spec;
  Revision from = 0, to = 0;  // durable when asked and when answered
};

// The states of all keys, by revision.
class Model {
 public:
  void add(const EventPtr& event) {
    auto& versions = keys_[event->object->key().name];
    const auto before = versions.empty() ? std::nullopt : versions.rbegin()->second;
    ASSERT_EQ(event->type == Event::Type::Added, !before.has_value());
    if (before) ASSERT_EQ(event->previous->revision(), before->first);
    if (event->type == Event::Type::Deleted) {
      versions[event->revision] = std::nullopt;
    } else {
      versions[event->revision] = {event->revision, spec_of(event->object).as_string()};
    }
    last = event->revision;
  }
  using State = std::optional<std::pair<Revision, std::string>>;
  State at(const std::string& name, Revision revision) const {
    const auto key = keys_.find(name);
    if (key == keys_.end()) return std::nullopt;
    const auto after = key->second.upper_bound(revision);
    return after == key->second.begin() ? std::nullopt : std::prev(after)->second;
  }
  bool changed(const std::string& name, Revision revision) const {
    const auto key = keys_.find(name);
    return key != keys_.end() && key->second.contains(revision);
  }
  // Whether some state between the two revisions satisfies what.
  template <class F>
  bool ever(const std::string& name, Revision from, Revision to, F what) const {
    if (what(at(name, from))) return true;
    const auto key = keys_.find(name);
    if (key == keys_.end()) return false;
    for (auto next = key->second.upper_bound(from); next != key->second.end() && next->first <= to; ++next) {
      if (what(next->second)) return true;
    }
    return false;
  }
  std::vector<std::string> names_at(Revision revision) const {
    std::vector<std::string> all;
    for (const auto& [name, versions] : keys_) {
      if (at(name, revision)) all.push_back(name);
    }
    return all;
  }
  Revision last = 0;

 private:
  std::map<std::string, std::map<Revision, State>> keys_;
};

class HistoryTest : public StoreTest, public ::testing::WithParamInterface<int> {
 public:
  std::unique_ptr<Store> open_store() override {
    return make_embedded_store(front, diced, std::make_unique<MemoryEngine>(disk), options);
  }
  ~HistoryTest() override {
    while (diced.step()) settle();
    crash();
  }

  Task<> client(std::uint64_t seed) {
    SeededRandom own(seed);
    for (int i = 0; i < 60; ++i) {
      const Key key = app("k" + std::to_string(own.below(6)));
      Told told{Told::What::Unavailable, key, 0, 0, own.hex(4), store->revision(), 0};
      // What it knows may be old: it guesses, as clients do.
      const ObjectPtr known = own.below(4) == 0 ? guesses[key.name] : store->find(key);
      guesses[key.name] = store->find(key);
      told.expected = known ? known->revision() : 0;
      try {
        ObjectPtr made;
        if (!known) {
          made = co_await store->create(key, encoded(key, told.spec));
          told.what = Told::What::Created;
        } else if (own.below(3) == 0) {
          made = co_await store->remove(key, known->revision(), encoded(key, told.spec));
          told.what = Told::What::Removed;
        } else {
          made = co_await store->update(key, known->revision(), encoded(key, told.spec));
          told.what = Told::What::Updated;
        }
        told.revision = made->revision();
      } catch (const Error& error) {
        told.what = error.code() == ErrorCode::AlreadyExists ? Told::What::Exists
                    : error.code() == ErrorCode::NotFound    ? Told::What::Missing
                    : error.code() == ErrorCode::Conflict    ? Told::What::Lost
                                                             : Told::What::Unavailable;
      }
      told.to = store->revision();
      answers.push_back(told);
      check_reads();
    }
    --running;
  }

  // A read shows the newest durable state, and any state of the window exactly.
  void check_reads() {
    for (const auto& event : watch->ready(1000)) model.add(event);
    ASSERT_EQ(watch->revision(), store->revision());
    const auto at = store->oldest_revision() + dice.below(store->revision() - store->oldest_revision() + 1);
    ASSERT_EQ(names(store->list(kApps, {.at = at})), model.names_at(at));
    const std::string name = "k" + std::to_string(dice.below(6));
    const ObjectPtr found = store->find(app(name));
    const auto expected = model.at(name, store->revision());
    ASSERT_EQ(found != nullptr, expected.has_value());
    if (found) ASSERT_EQ(found->revision(), expected->first);
  }

  void check(const Told& told) {
    const std::string& name = told.key.name;
    const auto before = told.revision ? model.at(name, told.revision - 1) : std::nullopt;
    switch (told.what) {
      case Told::What::Created:
        EXPECT_FALSE(before);
        EXPECT_EQ(model.at(name, told.revision)->second, told.spec);
        break;
      case Told::What::Updated:
        ASSERT_TRUE(before);
        EXPECT_EQ(before->first, told.expected);
        EXPECT_EQ(model.at(name, told.revision)->second, told.spec);
        break;
      case Told::What::Removed:
        ASSERT_TRUE(before);
        EXPECT_EQ(before->first, told.expected);
        EXPECT_TRUE(model.changed(name, told.revision));
        EXPECT_FALSE(model.at(name, told.revision));
        break;
      case Told::What::Exists:
        EXPECT_TRUE(model.ever(name, told.from, told.to, [](const auto& state) { return state.has_value(); }));
        break;
      case Told::What::Missing:
        EXPECT_TRUE(model.ever(name, told.from, told.to, [](const auto& state) { return !state; }));
        break;
      case Told::What::Lost:
        EXPECT_TRUE(model.ever(name, told.from, told.to,
                               [&](const auto& state) { return state && state->first != told.expected; }));
        break;
      case Told::What::Unavailable:
        for (Revision r = told.from + 1; r <= told.to; ++r) {
          const auto state = model.at(name, r);
          EXPECT_FALSE(state && state->second == told.spec) << "a refused write is there";
        }
        break;
    }
  }

  DicedBlocking diced;
  SeededRandom dice{0};
  Model model;
  std::unique_ptr<Watch> watch;
  std::vector<Told> answers;
  std::map<std::string, ObjectPtr> guesses;
  int running = 0;
};

TEST_P(HistoryTest, EveryAnswerFitsOneSequenceOfStates) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  SCOPED_TRACE("seed " + std::to_string(seed));
  dice = SeededRandom(seed);
  options.window_events = 100'000;
  SeededRandom faults(seed + 1000);
  disk->next_fault = [&faults](std::uint64_t) {
    return faults.below(6) == 0 ? MemoryDisk::Fault::Full : MemoryDisk::Fault::None;
  };
  open();
  watch = store->watch(kApps, 0);
  running = 8;
  for (std::uint64_t i = 0; i < 8; ++i) front.spawn(client(seed * 100 + i));
  while (running > 0) {
    for (auto turns = dice.below(4); turns > 0; --turns) front.poll();
    if (dice.below(2) == 0) diced.step();
  }
  ASSERT_EQ(answers.size(), 480u);
  for (const Told& told : answers) check(told);

  // A restart shows the same sequence again.
  watch.reset();
  const Revision newest = store->revision();
  open();
  EXPECT_EQ(store->revision(), newest);
  Model again;
  for (const auto& event : store->watch(kApps, 0)->ready(100'000)) again.add(event);
  for (Revision r = 0; r <= newest; r += 7) ASSERT_EQ(again.names_at(r), model.names_at(r));
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryTest, ::testing::Range(1, 21));

}  // namespace
}  // namespace gantry::store
