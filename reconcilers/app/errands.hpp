// What Servers have been asked for and have not answered yet. An attempt on an App begins a call to a Server and goes
// on without waiting for it: so one App's calls to many Servers are under way together, and a Server that is slow or
// hangs holds up what is asked of itself alone. One call at a time to each Server, so that their order is kept; calls
// to this machine are no errands.
//
// The answer is kept until the next attempt takes it: what it means is for the attempt to say, which tells Events and
// holds the lease. What is under way when the controller dies is found by what runs afterwards, as ever.
// On the loop's reactor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"
#include "providers/workload_host.hpp"

namespace gantry::reconcilers::app {

struct Errand {
  enum class What { Start, Stop, Remove };
  What what = What::Start;
  std::string server;    // "namespace/name"
  std::string instance;  // its id
  std::string target;    // for people: "hello/3"
  std::string reason;    // for people: why
  std::string release;   // Start
  int slot = 0;          // Start
  int attempt = 1;       // Start
  bool moves = false;    // Start: in place of one that lives elsewhere
  Instant begun{};
  WallTime begun_wall{};
  // How it ended; both absent: it has not been answered.
  std::optional<Error> failure{};
  std::optional<providers::Instance> started{};
  bool answered = false;

  // Why nothing is known yet; for people. The same text as long as it is so.
  std::string waits() const;
};

class Errands {
 public:
  using Call = std::function<Task<std::optional<providers::Instance>>()>;
  using OnAnswer = std::function<void(const std::string& owner_uid)>;

  // A call that has lasted for so long is told of.
  static constexpr Duration kSlow = std::chrono::seconds(10);

  Errands(Reactor& reactor, OnAnswer on_answer)
      : reactor_(reactor), on_answer_(std::make_shared<OnAnswer>(std::move(on_answer))) {}

  // Only to a Server that is not busy. What the call refers to outlives the reactor's turns.
  void begin(const std::string& owner_uid, Errand errand, Call call);
  // The answer is dealt with. `problem`: what went wrong, and the Server is left alone for a while that grows with each
  // failure in a row; empty: nothing, or nothing that is the Server's.
  void take(const std::string& owner_uid, const std::string& server, const std::string& problem = {});

  struct View {
    std::vector<Errand> all;                      // under way, or answered and not taken
    std::set<std::string> busy;                   // Servers that nothing else may be asked of now
    std::map<std::string, std::string> problems;  // of Servers: how the last errand ended
    std::set<std::string> failed;                 // and the instances that those were about
    std::optional<Duration> look_again;           // when one of those may be asked again, or one under way is slow
  };
  View of(const std::string& owner_uid) const;
  void forget(const std::string& owner_uid) { lanes_.erase(owner_uid); }

 private:
  struct Lane {
    std::shared_ptr<Errand> errand;
    int failures = 0;
    Instant again_at{};
    std::string problem;
    std::string failed;  // the instance that it was about
  };
  static Task<> run(std::weak_ptr<OnAnswer> listener, std::shared_ptr<Errand> errand, Call call, std::string owner_uid);

  Reactor& reactor_;
  std::shared_ptr<OnAnswer> on_answer_;
  std::map<std::string, std::map<std::string, Lane>> lanes_;  // by App uid, by Server
};

}  // namespace gantry::reconcilers::app
