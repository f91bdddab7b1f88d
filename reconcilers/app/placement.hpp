// The decision on which Server each of an App's replicas runs: pure. Servers come from placement.servers (by name),
// placement.selector (by label) and placement.provision (made for the App), together.
//
// Rules, in order of weight:
//   1. A replica that runs stays where it is, as long as it may be there: nobody is moved for the sake of order alone.
//   2. A Server that must be left (it is going, or about to be made anew) gets nobody new. Who is there moves, where
//      there is another Server; an App with volumes does not, since its data would stay behind. It stays there, or
//      waits for it, also when its placement does not match that Server any more, until somebody says that the data may
//      go.
//   3. A replica goes to the Server that has fewest, among equals to the one it was on, then to the first.
//   4. When everything is calm and one Server has two more than another, one replica moves.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/object.hpp"

namespace gantry::reconcilers::app {

// Annotation of an App with volumes: "true", and its replicas leave their data behind where they may not stay.
inline constexpr const char* kLeaveData = "gantry.dev/leave-data";

// A Server as it concerns who is placed on it.
struct ServerView {
  std::string name;  // "namespace/name"
  object::ObjectPtr stored;
  bool deleting = false;
  bool ours = false;                                  // made for this App
  std::string leaving;                                // why it must be left; empty: it need not
  std::string ready, reason, message;                 // its condition Ready
  bool refused = false;                               // it cannot become what its spec says: Synced=False
  bool settled = false;                               // it is what its spec says, and works
  bool ever_reached = false;                          // its agent was heard of once: something may run there
  std::optional<double> cpu_percent, memory_percent;  // what is used of it
  std::string template_hash;                          // of a Server that is ours
  bool guarded = false;                               // its firewall is kept in step with ports
  std::set<std::string> open_ports;                   // "8000/tcp": that it lets in

  std::string short_name() const { return name.substr(name.find('/') + 1); }
  // For a replica that is somewhere else as well as here.
  bool may_come() const { return !deleting && leaving.empty() && !(ready == "False" && (ever_reached || refused)); }
};
ServerView read_server(const object::ObjectPtr& object, const std::string& app_uid);
// What of a Server concerns who is placed on it, as one text: equal texts need no look.
std::string placement_facts(const object::ObjectPtr& server);

struct Place {
  std::string server;                // "namespace/name"
  const ServerView* view = nullptr;  // null: there is no such Server
  bool known = false;                // what runs there is known, and something can be started

  bool open() const { return view && !view->deleting && view->leaving.empty(); }
  // Why nothing can be started there now; for people.
  std::string problem() const;
};

using Assignment = std::map<int, std::string>;  // slot -> "namespace/name"

struct Placement {
  bool declared = false;  // it has one; else everything runs on this machine
  std::vector<Place> places;
  Assignment assignment;  // each slot that has a place
  const Place* find(const std::string& server) const;
  // Where something can be started now; empty: nowhere.
  std::vector<std::string> known() const;
  // Of those, the ones that are well; all of them when none is.
  std::vector<std::string> well() const;
  // Why nothing can be started anywhere; for people.
  std::string problem() const;
  // Why the replica goes nowhere else, although it may not be on that Server any more; for people.
  std::string pinned(const std::string& server) const;
};

// Where an App's placement says that it may run: of its own spec, or of a Release's template. A Release has the names
// alone; whether there is a selector or a provision it says too, but what they say is the App's.
bool has_placement(const json::Value& pod_template);
std::vector<std::string> named_servers(const json::Value& pod_template, const std::string& ns);
// In the order of names, then by name. `servers`: all of the namespace. Throws Error(Invalid) for a selector that is
// none.
std::vector<Place> places_of(const json::Value& pod_template, const json::Value& app, const std::string& ns,
                             const std::vector<ServerView>& servers);

struct PlacementInput {
  int replicas = 1;
  bool movable = true;     // it has no volumes, whose data would stay behind
  std::set<int> has_data;  // else: slots that have run where they were last, so that their data is there
  bool calm = false;       // nothing else is under way: replicas may be spread anew
  Assignment before;       // as it was recorded
  Assignment running;      // of slots that live, and where
};
Assignment assign(const std::vector<Place>& places, const PlacementInput& input);

// The Servers that are made for the App: which there are to be, by name.
struct ProvisionDecision {
  std::vector<std::string> make;      // names
  std::vector<std::string> remove;    // names
  std::optional<std::string> change;  // whose spec is of an older template: one at a time
};
struct ProvisionInput {
  std::string app;  // its name
  int count = 0;
  std::string template_hash;
};
// Annotation of a Server that was made for an App: the hash of the template that its spec is of.
inline constexpr const char* kTemplateHash = "gantry.dev/template-hash";
ProvisionDecision provision(const ProvisionInput& input, const std::vector<ServerView>& servers);

}  // namespace gantry::reconcilers::app
