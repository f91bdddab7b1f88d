// Many who each ask for one thing, and one call that brings them all: while fifty servers are being made, their actions
// are polled together and not fifty times. Who asks gets an answer that was fetched after the asking began.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/signal.hpp"

namespace gantry::providers::rest {

template <class Key, class Value>
class Gather {
 public:
  // What was found, by key; what is not in it does not exist.
  using Found = std::map<Key, Value>;
  using Fetch = std::function<Task<Found>(std::vector<Key>)>;

  // Between the beginnings of two fetches lies at least `pause`; the first is made at once.
  Gather(Reactor& reactor, Duration pause, Fetch fetch)
      : reactor_(reactor), pause_(pause), fetch_(std::move(fetch)), changed_(reactor) {}

  // Throws what the fetch threw, to each who waited for it.
  Task<std::optional<Value>> ask(Key key) {
    const auto found = co_await ask_all({key});
    const auto one = found->find(key);
    co_return one == found->end() ? std::nullopt : std::optional<Value>(one->second);
  }

  // Never null; may hold what others asked for.
  Task<std::shared_ptr<const Found>> ask_all(std::vector<Key> keys) {
    if (!next_) next_ = std::make_shared<Round>();
    const std::shared_ptr<Round> round = next_;
    round->keys.insert(keys.begin(), keys.end());
    if (round->led) {
      while (!round->over) co_await changed_.wait();
    } else {
      round->led = true;
      co_await lead(round);
    }
    if (round->failure) throw *round->failure;
    co_return std::shared_ptr<const Found>(round, &round->found);
  }

 private:
  struct Round {
    std::set<Key> keys;
    Found found;
    std::optional<Error> failure;
    bool led = false;
    bool over = false;
  };

  Task<> lead(std::shared_ptr<Round> round) {
    while (fetching_) co_await changed_.wait();
    fetching_ = true;
    if (last_ && *last_ + pause_ > reactor_.now()) co_await sleep_until(reactor_, *last_ + pause_);
    last_ = reactor_.now();
    next_ = nullptr;  // whoever comes from now on waits for the next round
    try {
      round->found = co_await fetch_(std::vector<Key>(round->keys.begin(), round->keys.end()));
    } catch (const Error& error) {  // tidy: everybody who waits gets it
      round->failure = error;
    }
    fetching_ = false;
    round->over = true;
    changed_.notify_all();
  }

  Reactor& reactor_;
  Duration pause_;
  Fetch fetch_;
  Signal changed_;
  std::shared_ptr<Round> next_;
  std::optional<Instant> last_;
  bool fetching_ = false;
};

}  // namespace gantry::providers::rest
