// What the emulated clouds share: time, limits of calls, pages, troubles by script or by chance, and the contract that
// both sides are held to. An Emulator answers one request after the other; how they get here (in the process, or by a
// socket) is transport.hpp's and server.hpp's business.
//
// Nothing runs by itself: what takes time is due at an instant of the reactor's clock, and happens as soon as somebody
// looks. So a manual clock makes a cloud that takes exactly as long as it is told to.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/http.hpp"
#include "controller/base/json.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "tests/contract/contract.hpp"

namespace gantry::emulators {

struct Call {
  std::string method;
  std::string target;                 // as sent: /v2/droplets?tag_name=a
  std::vector<std::string> captured;  // what stood where the route has {}
  std::vector<std::pair<std::string, std::string>> query;
  json::Value body;  // null: none

  const std::string* find(std::string_view parameter) const;
  std::vector<std::string> all(std::string_view parameter) const;
  std::int64_t number(std::size_t capture) const;  // -1 when it is none
};

struct Answer {
  int status = 200;
  json::Value body;  // null: none
  http::Headers headers;
};

// What may go wrong with a call, as it does go wrong with real vendors.
struct Trouble {
  enum class How {
    TooMany,     // 429, with the time to wait
    Broken,      // 500, no effect
    BadGateway,  // 502 with a page of HTML, although it had its effect
    LostBefore,  // no answer, no effect
    LostAfter,   // no answer, but the effect
    Twice,       // the effect twice (a proxy of the vendor's tried again), one answer
    Slow,        // what it starts takes five times as long
    WrongTotal,  // a listing lacks its last entry, though its total counts it
    NoRoom,      // out of capacity, said at once
    FailsLater,  // accepted; what it starts fails in the end
  };
  How how = How::Broken;
  std::string calls;  // "POST /v2/droplets": method and start of the path; empty: any
  int skip = 0;       // so many of them go well before
  int times = 1;
};

// How long things take.
struct Pace {
  Duration create = std::chrono::seconds(30);
  Duration remove = std::chrono::seconds(5);
  Duration power = std::chrono::seconds(4);
  Duration snapshot = std::chrono::seconds(60);
  Duration transfer = std::chrono::seconds(45);
  Duration small = std::chrono::seconds(1);    // a firewall, a label
  Duration script = std::chrono::seconds(60);  // user data that says "poweroff" runs, and the machine is off
  Duration visible = std::chrono::seconds(2);  // until what was made is found by those who look
};

// What a firewall lets in.
struct Opening {
  std::string protocol;  // tcp, udp, icmp
  int first_port = 0;    // of icmp: 0
  int last_port = 0;
  std::vector<std::string> from;  // networks
  bool operator==(const Opening&) const = default;
};
// "80" or "8000-8010".
void read_ports(const std::string& text, Opening& into);
// Absent: no firewall is before that server, and everything comes in.
using Wall = std::optional<std::vector<Opening>>;

// What stands behind the servers where a test wants something real there; by the vendor's own ids. Called on the
// emulator's reactor: nothing of it may take long.
class Hardware {
 public:
  virtual ~Hardware() = default;
  // A machine whose disk begins as that image, and that does what its user data says; its address. One that was stopped
  // starts again as it was.
  virtual std::string start(std::int64_t server, std::int64_t image, const std::string& user_data) = 0;
  virtual bool runs(std::int64_t server) = 0;  // false once it has gone off by itself
  virtual void stop(std::int64_t server) = 0;
  virtual void remove(std::int64_t server) = 0;
  virtual void keep_image(std::int64_t server, std::int64_t image) = 0;
  virtual void remove_image(std::int64_t image) = 0;
  // From now on, for connections that begin; of a machine that has been started.
  virtual void protect(std::int64_t server, const Wall& wall) = 0;
};

class Emulator {
 public:
  // `vendor` names the contract; `token` is the only one that is let in.
  Emulator(Reactor& reactor, std::string vendor, std::string token);
  virtual ~Emulator() = default;
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  // Null: no answer will ever come.
  std::optional<http::Response> exchange(const http::Request& request);

  void expect(Trouble trouble) { troubles_.push_back(std::move(trouble)); }
  // From now on each call meets one of `ways` with this probability.
  void trouble_by_chance(std::uint64_t seed, double probability, std::vector<Trouble::How> ways);
  void leave_in_peace();

  Pace pace;
  Hardware* hardware = nullptr;  // absent: servers are rows in a table, with addresses that lead nowhere
  std::string token;             // may be changed: a rotation
  // Applies what is due by now. Called before each answer; a test that looks at the state calls it too.
  void catch_up();

  // Each call that came: "POST /v2/droplets".
  const std::vector<std::string>& log() const { return log_; }
  std::size_t calls(std::string_view beginning) const;
  void forget_calls() { log_.clear(); }
  // Ids are the vendor's, no account's: of two accounts each has its own.
  void number_from(std::int64_t id) { last_id_ = id; }
  // Servers that were made on somebody's call, those that are gone included.
  int creations() const { return creations_; }
  // 429s that no script asked for.
  int over_the_limit() const { return over_the_limit_; }
  // What either side said against the vendor's own description; empty where there is no description.
  const contract::Faults& breaches() const { return breaches_; }
  bool judged() const { return contract_ != nullptr; }

  Reactor& reactor() { return reactor_; }

 protected:
  using Route = std::function<Answer(const Call&)>;
  // "GET /v2/droplets/{}"; fixed segments go before {}.
  void on(std::string_view method_and_path, Route route);

  // The vendor's ways.
  virtual Answer refusal(int status, std::string_view code, std::string_view message) const = 0;
  virtual Answer no_room() const = 0;
  // Counts this call; false when it is one too many. Adds the headers either way.
  virtual bool count(http::Headers& headers) = 0;
  virtual void too_many_headers(http::Headers& headers) const = 0;
  virtual std::string request_id_header() const = 0;
  // Takes the last entry out of a listing, and leaves the total.
  virtual void spoil_total(json::Value& body) const = 0;
  // How that server is in the vendor's words; null when it is gone. And the word for one that is on.
  virtual std::string* status_of(std::int64_t server) = 0;
  virtual std::string_view word_for_on() const = 0;
  // What all firewalls that are in force let in to that server, which is there.
  virtual Wall wall_of(std::int64_t server) const = 0;

  void count_creation() { ++creations_; }
  // The server is on from now on: its address, and in time it may go off by itself.
  std::string switch_on(std::int64_t server, std::int64_t image, const std::string& user_data);
  std::string next_address(std::string_view net);  // "203.0."

  Instant now() const { return reactor_.now(); }
  std::string time() const { return format_time(wall()); }
  WallTime wall() const { return reactor_.clock().wall(); }
  // Happens after so long (five times as long in a slow call).
  void after(Duration duration, std::function<void()> effect);
  // Whether what the present call starts is to fail in the end.
  bool doomed() const { return now_doing_ == Trouble::How::FailsLater; }
  std::int64_t next_id() { return ++last_id_; }

 private:
  struct Routed {
    std::string method;
    std::vector<std::string> segments;
    Route route;
  };
  void watch_hardware(std::int64_t server);
  void mend_walls();
  Answer dispatch(Call& call, std::string_view path);
  std::optional<Trouble::How> trouble_of(const std::string& name);
  void judge(const http::Request& request, const http::Response& response);

  Reactor& reactor_;
  std::string vendor_;
  const contract::Contract* contract_;
  std::vector<Routed> routes_;
  std::multimap<Instant, std::function<void()>> due_;
  std::vector<Trouble> troubles_;
  std::optional<SeededRandom> chance_;
  double probability_ = 0;
  std::vector<Trouble::How> ways_;
  std::optional<Trouble::How> now_doing_;
  std::vector<std::string> log_;
  contract::Faults breaches_;
  int over_the_limit_ = 0;
  std::map<std::int64_t, Wall> walls_;  // as the hardware has them
  std::int64_t last_id_ = 1000;
  std::int64_t addresses_ = 0;
  int creations_ = 0;
};

}  // namespace gantry::emulators
