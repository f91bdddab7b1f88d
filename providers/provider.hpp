// An account of somebody who makes servers and images: a cloud, or a hypervisor. Behind the kinds Provider, Server and
// Snapshot; one folder for each type. What an account can do is data (Capabilities), so that reconcilers know no cloud
// by name.
//
// The rules, for every implementation:
// - Looking is one sweep for all: observe() lists, and throws rather than answer with a part (pages that do not add
// up).
// - Whatever is made carries its owner's Mark in the very call that makes it (tag, label, or name where a vendor takes
//   nothing else). A call may have worked although it threw; the caller looks for the mark before it calls again.
// - Long work is started and comes back at once with an Operation. A call waits for an answer, never for the work. The
//   caller looks at the thing itself to see how far it is, and polls the operation only for why it came to nothing.
//   Starting what runs or is done already is fine, or Error(Conflict).
// - What an order names and the account must have already (a key, a network) is looked up before anything is made;
//   Error(Invalid) names the field and says what there is.
// - Removing what is gone is fine; doing anything else to it is Error(NotFound).
// - A limit of calls is obeyed from the vendor's own headers, before they are spent.
//
// Errors, for the caller to decide by:
//   Unavailable, Timeout  try later; the call may have had its effect. Out of capacity is Unavailable with retry_after
//   RateLimited           with retry_after
//   QuotaExceeded         the account may not have more
//   Invalid               nothing but a change of what was asked helps
//   NotFound              gone
//   Conflict              it is busy (locked, an action runs): look again soon
//   Unauthorized, Forbidden  the credentials are wrong, or may not do this
// The message says what was asked and what the vendor answered, with its code and request id; never a secret.
//
// Bytes are bytes, times are wall times; ids and names are the vendor's own words. Runs on the loop's reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/http.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "controller/base/secret.hpp"
#include "controller/base/task.hpp"

namespace gantry::providers {

// Millionths of a unit, so that prices by the hour add up.
struct Money {
  std::int64_t micros = 0;
  std::string currency;  // EUR
  bool operator==(const Money&) const = default;
};

// Whose a thing is. Kinds give their object's uid; role tells apart what one object has made.
struct Mark {
  std::string uid;
  std::string role;  // "server", "builder", "image"; lower case letters
  bool operator==(const Mark&) const = default;
};

// One rule of what may come in. What no rule names is refused; going out is free.
struct FirewallRule {
  std::string protocol;           // tcp, udp, icmp
  int first_port = 0;             // of icmp: 0
  int last_port = 0;              // the same for one port
  std::vector<std::string> from;  // networks with their length, sorted: 0.0.0.0/0, ::/0, 10.0.0.0/8
  auto operator<=>(const FirewallRule&) const = default;
};

// ---- What is there

struct CloudAddress {
  enum class Reach { Public, Private };
  Reach reach = Reach::Public;
  std::string address;  // without a length
};

struct CloudServer {
  // New: made, and never started yet, where that takes a call of its own. Off is what ran once.
  enum class State { Starting, Running, Stopping, Off, Other, New };
  std::string id;
  std::string name;
  std::optional<Mark> mark;  // absent: not made by any Gantry
  State state = State::Other;
  std::string state_text;  // the vendor's word: "new", "initializing"
  bool busy = false;       // an action runs on it, or it is locked: nothing else may be started
  std::string size;
  std::string region;
  std::string image;     // name of a public image; id of one that was made
  std::string image_id;  // always the id, as CloudImage and ImageOffer have it; empty: not told
  std::vector<CloudAddress> addresses;
  std::vector<std::string> networks;  // ids of those it is in
  std::optional<std::int64_t> cpu_millis;
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> disk_bytes;
  std::optional<Money> monthly;                    // its price now, before tax, off or on
  std::optional<std::int64_t> traffic_out_bytes;   // this month; absent: not told, or not yet
  Duration traffic_unseen{};                       // of this month, what those bytes tell nothing of
  std::optional<std::int64_t> traffic_free_bytes;  // included in the price, a month
  WallTime created{};
};

struct CloudImage {
  enum class State { Making, Available, Failed };
  std::string id;
  std::string name;
  std::optional<Mark> mark;
  std::string content;  // as ImageOrder::content; empty: not ours
  State state = State::Available;
  bool busy = false;                 // a copy runs
  std::vector<std::string> regions;  // where servers can start from it
  std::int64_t size_bytes = 0;
  std::int64_t min_disk_bytes = 0;  // of a server that starts from it
  std::string architecture;         // x86_64, aarch64; empty: not told
  std::optional<Money> monthly;
  bool backup = false;  // the vendor makes and drops it by itself
  WallTime created{};
};

struct CloudFirewall {
  std::string id;
  std::optional<Mark> mark;
  std::vector<FirewallRule> rules;  // sorted
  bool applied = true;              // to every server with the mark; false: put_firewall() mends it
  bool settled = true;              // false: the latest rules are still on their way to some server
};

// An address that is the account's, whichever server it leads to, and outlives them all. Nobody here orders or returns
// one.
struct ReservedAddress {
  std::string id;       // what assign_address() takes
  std::string address;  // as people write it
  std::string region;   // where the server must be; empty: the vendor decides when it is assigned
  std::string server;   // id of the one that it leads to; empty: none
  bool busy = false;    // it is on its way to another
};

// The account whole, of one moment as far as the vendor allows.
struct Inventory {
  std::vector<CloudServer> servers;      // all, what nobody marked included
  std::vector<CloudImage> images;        // private ones
  std::vector<CloudFirewall> firewalls;  // empty where there are none to have
  int calls = 0;                         // that the sweep took
};

// ---- What can be had

struct SizeOffer {
  std::string name;
  std::string description;
  int cpus = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::string architecture;
  std::optional<std::int64_t> traffic_free_bytes;  // a month
  struct Place {
    std::string region;
    std::optional<Money> monthly;  // before tax
    std::optional<Money> hourly;
    std::optional<WallTime> ends;  // it cannot be ordered from then on, past or future
    bool available = true;         // could be ordered now: it has not ended, and there is room
  };
  std::vector<Place> places;
};

struct ImageOffer {
  std::string name;  // what spec.image says: ubuntu-24.04
  std::string id;
  std::string family;   // ubuntu
  std::string version;  // 24.04
  std::string architecture;
  std::vector<std::string> regions;  // empty: everywhere
  std::int64_t min_disk_bytes = 0;
  std::optional<WallTime> ends;
};

struct RegionOffer {
  std::string name;
  std::string description;
  bool available = true;
};

struct Catalogue {
  std::vector<RegionOffer> regions;
  std::vector<SizeOffer> sizes;
  std::vector<ImageOffer> images;
  // What things cost that are no servers; absent: not told.
  std::optional<Money> image_gib_month;
  std::optional<Money> address_month;
  std::optional<Money> traffic_tib;
};

// ---- The account

struct Capabilities {
  bool snapshots = false;
  bool image_regions = false;     // an image must be copied to be there; false: it is everywhere
  bool image_of_running = false;  // an image may be taken of a server that is not off
  bool firewall = false;
  bool networks = false;            // a server may be made in a private network that is there: ServerOrder::network
  bool reserved_addresses = false;  // reserved_addresses() and assign_address()
  bool resize = false;
  bool resize_needs_off = true;
  bool rebuild = false;   // another image on the same server, its addresses kept
  bool user_data = true;  // cloud-init
  std::size_t user_data_max = 32 << 10;
  bool unique_names = false;  // a second server of the same name is refused
  bool prices = false;
  bool sizes_required = true;  // false: spec.size may be left out
  // What was made may not be listed for so long: nothing that is missing is made again before that.
  Duration visible_within = std::chrono::seconds(30);
  Duration poll_every = std::chrono::seconds(3);  // while something is on its way
};

struct RateLimit {
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  WallTime reset{};
};

struct Account {
  std::string name;                // for people: its mail address, project or host
  std::optional<int> servers_max;  // the vendor's own quota
  std::string problem;             // why it can be read but not used: "locked: payment failed"; empty: all is well
  std::string id;                  // the vendor's own, the same for every token of it; empty: it has none that is told
};

struct CallRecord {
  WallTime at{};
  std::string operation;  // "POST /v2/droplets", without ids: also the label of metrics
  std::string about;      // the mark's uid or the thing's id, where there is one
  int status = 0;         // 0: no answer
  Duration elapsed{};
  std::string request_id;
  std::string problem;
};

// ---- What is asked for

struct ServerOrder {
  Mark mark;
  std::string token;  // from uid and generation: the same for the same wish, for vendors that take one
  std::string name;   // letters, digits, dashes
  std::string size;
  std::string region;
  std::string image;       // name of an ImageOffer, or id of a CloudImage
  bool own_image = false;  // `image` is the id of a CloudImage
  std::string network;     // name or id of a private network that is there; empty: what the vendor does by itself
  std::vector<std::string> ssh_keys;          // the vendor's names of them; public keys travel in the user data
  Secret user_data;                           // it may hold the agent's key
  std::map<std::string, std::string> labels;  // for people; as "key:value" where a vendor has tags alone
};

struct ImageOrder {
  Mark mark;
  std::string name;
  std::string content;  // hash of what it is made of, at most 32 letters and digits; found again in CloudImage
  std::string server;   // id; it is off, or capabilities() say image_of_running
};

struct Operation {
  std::string target;  // id of the server or image; never empty
  std::string id;      // what poll() takes; empty: it was done at once
};

struct Progress {
  enum class State { Running, Done, Failed, Unknown };  // Unknown: the vendor forgot it; look at the thing itself
  std::string id;
  State state = State::Unknown;
  std::string problem;    // Failed: the vendor's words
  bool capacity = false;  // Failed: there was no room; another try later may do
};

class Provider {
 public:
  virtual ~Provider() = default;

  virtual const Capabilities& capabilities() const = 0;
  // Signs in. Throws Error(Unauthorized), ...
  virtual Task<Account> account() = 0;
  virtual Task<Inventory> observe() = 0;
  virtual Task<Catalogue> catalogue() = 0;
  // As of the last answer; absent: nothing was asked yet, or there is no limit.
  virtual std::optional<RateLimit> rate_limit() const { return std::nullopt; }
  // The last calls, newest first.
  virtual std::vector<CallRecord> calls(std::size_t most) const {
    (void)most;
    return {};
  }
  // Those that were about one of these: marks' uids, ids. Sweeps are about nobody, and do not push these out.
  virtual std::vector<CallRecord> calls_about(const std::vector<std::string>& things, std::size_t most) const {
    (void)things;
    (void)most;
    return {};
  }

  // Fresh, past every cache, as far as the vendor's own listing is. All that carry the mark: more than one is a twin.
  virtual Task<std::vector<CloudServer>> servers_of(Mark mark) = 0;
  virtual Task<std::vector<CloudImage>> images_of(Mark mark) = 0;
  virtual Task<std::optional<CloudServer>> find_server(std::string id) = 0;
  virtual Task<std::optional<CloudImage>> find_image(std::string id) = 0;
  // In as few calls as the vendor allows; in the order of the ids.
  virtual Task<std::vector<Progress>> poll(std::vector<std::string> operations) = 0;

  virtual Task<Operation> create_server(ServerOrder order) = 0;
  virtual Task<Operation> remove_server(std::string id) = 0;
  enum class Power { On, Shutdown, Off };  // Shutdown asks the system inside; Off pulls the plug
  virtual Task<Operation> power(std::string id, Power power) = 0;
  virtual Task<Operation> resize(std::string id, std::string size) = 0;
  // What is on its disks goes.
  virtual Task<Operation> rebuild(std::string id, ServerOrder order) = 0;
  // Adoption: from now on it carries the mark.
  virtual Task<> mark_server(std::string id, Mark mark) = 0;

  // What comes in to every server with that mark, those that are still to be made included. One for each mark; the
  // same again changes nothing.
  virtual Task<> put_firewall(Mark mark, std::string name, std::vector<FirewallRule> rules) = 0;
  // Once no server has the mark any more; Error(Conflict) before.
  virtual Task<> remove_firewall(std::string id) = 0;

  // All that the account has. Apart from observe(), since few accounts need them looked at.
  virtual Task<std::vector<ReservedAddress>> reserved_addresses() {
    throw Error(ErrorCode::Invalid, "this provider has no reserved addresses");
  }
  // From now on it leads to that server and to no other; reserved_addresses() shows when it does.
  virtual Task<> assign_address(std::string id, std::string server) {
    (void)id;
    (void)server;
    throw Error(ErrorCode::Invalid, "this provider has no reserved addresses");
  }

  virtual Task<Operation> create_image(ImageOrder order) = 0;
  virtual Task<Operation> copy_image(std::string id, std::string region) = 0;
  virtual Task<> remove_image(std::string id) = 0;
  // As mark_server().
  virtual Task<> mark_image(std::string id, Mark mark) = 0;

  virtual Task<> close() { co_return; }
};

// What an implementation is made from. Credentials are the Secret's entries, decoded: "token", ...
struct ProviderSettings {
  std::string name;      // "namespace/name" of the Provider, for logs
  std::string endpoint;  // empty: the public one
  std::string region;
  std::map<std::string, Secret> credentials;
};
struct ProviderParts {
  Reactor& reactor;
  Blocking& blocking;
  Random& random;
  http::Transport& transport;
};
// Throws Error(Invalid) for settings that cannot work: a credential that is missing. Makes no call.
using ProviderFactory = std::function<std::unique_ptr<Provider>(const ProviderParts&, const ProviderSettings&)>;

}  // namespace gantry::providers
