#include "reconcilers/app/placement.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "controller/object/quantity.hpp"
#include "controller/object/selector.hpp"
#include "controller/runtime/status_writer.hpp"

namespace gantry::reconcilers::app {
namespace {

const json::Value* placement_of(const json::Value& pod_template) {
  const json::Value* placement = pod_template.find("placement");
  return placement && placement->is_object() ? placement : nullptr;
}

std::optional<double> percent_of(const json::Value& server, std::string_view part) {
  const json::Value* used = server.at({"status", "usage", part});
  const json::Value* all = server.at({"status", "capacity", part});
  if (!used || !all) return std::nullopt;
  const auto capacity = object::milli_of(*all);
  if (capacity <= 0) return std::nullopt;
  return 100.0 * static_cast<double>(object::milli_of(*used)) / static_cast<double>(capacity);
}

// "hello-3" of "hello" is 3; 0: it has another name.
int number_of(const std::string& name, const std::string& stem) {
  if (!name.starts_with(stem + "-")) return 0;
  const std::string_view digits = std::string_view(name).substr(stem.size() + 1);
  int number = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return problem == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

}  // namespace

ServerView read_server(const object::ObjectPtr& object, const std::string& app_uid) {
  ServerView view;
  view.stored = object;
  view.name = object->key().ns + "/" + object->key().name;
  view.deleting = object->meta().deleting;
  view.ours = std::ranges::any_of(object->meta().owners,
                                  [&](const auto& owner) { return owner.controller && owner.uid == app_uid; });
  const json::Value server = object->decode();
  if (view.deleting) view.leaving = "it is being deleted";
  if (const json::Value* draining = runtime::find_condition(server, "Draining");
      view.leaving.empty() && draining && draining->string_or("status") == "True")
    view.leaving = draining->string_or("message");
  if (const json::Value* ready = runtime::find_condition(server, "Ready")) {
    view.ready = ready->string_or("status");
    view.reason = ready->string_or("reason");
    view.message = ready->string_or("message");
  }
  const json::Value* synced = runtime::find_condition(server, "Synced");
  static const std::set<std::string> kPassing{"ServiceUnavailable", "Timeout",       "TooManyRequests",
                                              "Conflict",           "InternalError", "Cancelled"};
  view.refused = synced && synced->string_or("status") == "False" && !kPassing.contains(synced->string_or("reason"));
  const json::Value* observed = server.at({"status", "observedGeneration"});
  const bool current = observed && observed->is_int() && observed->as_int() == object->meta().generation;
  view.settled =
      current && view.ready == "True" && synced && synced->string_or("status") == "True" && view.leaving.empty();
  view.ever_reached = !server.text_at({"status", "agent", "lastSeen"}).empty();
  view.cpu_percent = percent_of(server, "cpu");
  view.memory_percent = percent_of(server, "memory");
  view.template_hash = server.text_at({"metadata", "annotations", kTemplateHash});
  if (const json::Value* open = server.at({"status", "openPorts"}); open && open->is_array()) {
    view.guarded = true;
    for (const auto& port : open->as_array()) view.open_ports.insert(port.as_string());
  }
  return view;
}

std::string placement_facts(const object::ObjectPtr& server) {
  const ServerView view = read_server(server, {});
  std::string text = view.ready + "\n" + view.reason + "\n" + view.leaving + "\n" + (view.refused ? "refused" : "") +
                     (view.settled ? "settled" : "") + (view.guarded ? "guarded" : "");
  for (const auto& [key, value] : server->meta().labels) text += "\n" + key + "=" + value;
  for (const auto& port : view.open_ports) text += "\n" + port;
  return text;
}

std::string Place::problem() const {
  const std::string name = server.substr(server.find('/') + 1);
  if (!view) return "there is no Server \"" + name + "\"";
  if (!view->leaving.empty()) return "Server " + name + ": " + view->leaving;
  return "Server " + name + ": " +
         (view->ready == "True" || view->message.empty() ? "its agent has not been heard of yet" : view->message);
}

const Place* Placement::find(const std::string& server) const {
  const auto found = std::ranges::find(places, server, &Place::server);
  return found == places.end() ? nullptr : &*found;
}

std::vector<std::string> Placement::known() const {
  std::vector<std::string> names;
  for (const auto& place : places) {
    if (place.known && place.open()) names.push_back(place.server);
  }
  return names;
}

std::vector<std::string> Placement::well() const {
  std::vector<std::string> names = known();
  std::vector<std::string> some;
  std::ranges::copy_if(names, std::back_inserter(some),
                       [&](const std::string& name) { return find(name)->view->ready == "True"; });
  return some.empty() ? names : some;
}

std::string Placement::problem() const {
  if (places.empty()) return "no Server matches spec.placement; this goes on by itself when one does";
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(places.size(), 3); ++i)
    text += (text.empty() ? "" : "; ") + places[i].problem();
  return text + (places.size() > 3 ? "; and " + std::to_string(places.size() - 3) + " more" : "");
}

std::string Placement::pinned(const std::string& server) const {
  const std::string name = server.substr(server.find('/') + 1);
  return "its data is on Server " + name +
         ", which is not there or which spec.placement does not match any more; bring that back, or annotate " +
         kLeaveData + ": \"true\", and it is started elsewhere with empty volumes";
}

bool has_placement(const json::Value& pod_template) {
  const json::Value* placement = placement_of(pod_template);
  return placement && (placement->find("servers") || placement->find("selector") || placement->find("provision"));
}

std::vector<std::string> named_servers(const json::Value& pod_template, const std::string& ns) {
  std::vector<std::string> servers;
  const json::Value* named = pod_template.at({"placement", "servers"});
  if (!named || !named->is_array()) return servers;
  for (const auto& each : named->as_array()) servers.push_back(ns + "/" + each.string_or("name"));
  return servers;
}

std::vector<Place> places_of(const json::Value& pod_template, const json::Value& app, const std::string& ns,
                             const std::vector<ServerView>& servers) {
  std::vector<Place> places;
  for (const auto& name : named_servers(pod_template, ns)) {
    const auto view = std::ranges::find(servers, name, &ServerView::name);
    places.push_back({name, view == servers.end() ? nullptr : &*view});
  }
  const json::Value* placement = placement_of(pod_template);
  if (!placement) return places;
  std::optional<object::LabelSelector> selector;
  if (const json::Value* asked = app.at({"spec", "placement", "selector"}); asked && placement->find("selector"))
    selector = object::LabelSelector::from_json(*asked);
  const bool provisions = placement->find("provision") != nullptr;
  for (const auto& view : servers) {
    const bool chosen = (selector && selector->matches(view.stored->meta())) || (provisions && view.ours);
    if (chosen && std::ranges::find(places, view.name, &Place::server) == places.end())
      places.push_back({view.name, &view});
  }
  return places;
}

Assignment assign(const std::vector<Place>& places, const PlacementInput& input) {
  Assignment result;
  std::map<std::string, int> load;
  const auto find = [&](const std::string& server) -> const Place* {
    const auto at = std::ranges::find(places, server, &Place::server);
    return at == places.end() ? nullptr : &*at;
  };
  const auto at = [](const Assignment& slots, int slot) -> const std::string* {
    const auto found = slots.find(slot);
    return found == slots.end() ? nullptr : &found->second;
  };
  // Who stays. Where nobody knows what runs, what was recorded is what runs.
  const auto stays = [&](int slot) -> const std::string* {
    const std::string* running = at(input.running, slot);
    const std::string* before = at(input.before, slot);
    if (!input.movable) return running ? running : before;
    const Place* meant = before ? find(*before) : nullptr;
    // On its way there, unless it cannot come.
    if (running) return meant && meant->open() && (*running == *before || meant->view->may_come()) ? before : running;
    const bool unseen = meant && meant->view && !meant->known && meant->view->ever_reached;
    return unseen ? before : nullptr;
  };
  for (int slot = 0; slot < input.replicas; ++slot) {
    const std::string* here = stays(slot);
    const Place* place = here ? find(*here) : nullptr;
    if (!place) {
      if (!input.movable && here && !here->empty() && input.has_data.contains(slot)) result[slot] = *here;
      continue;
    }
    if (place->open()) ++load[*here];
    if (place->open() || !input.movable) result[slot] = *here;
  }
  std::vector<const Place*> free;
  for (const auto& place : places) {
    if (place.open() && place.view->may_come()) free.push_back(&place);
  }
  for (int slot = 0; slot < input.replicas; ++slot) {
    if (result.contains(slot)) continue;
    const std::string* before = at(input.before, slot);
    const Place* best = nullptr;
    const auto better = [&](const Place& one, const Place& other) {
      if (load[one.server] != load[other.server]) return load[one.server] < load[other.server];
      if (one.known != other.known) return one.known;
      return before && one.server == *before && other.server != *before;
    };
    for (const Place* place : free) {
      if (!best || better(*place, *best)) best = place;
    }
    if (best) {
      result[slot] = best->server;
      ++load[best->server];
      continue;
    }
    // Nowhere to go: it waits for where it was, or for any that may come back.
    const std::string* here = at(input.running, slot);
    if (!here) here = before;
    if (here && find(*here)) {
      result[slot] = *here;
    } else if (!places.empty()) {
      result[slot] = places[static_cast<std::size_t>(slot) % places.size()].server;
    }
  }
  if (!input.calm || !input.movable) return result;
  std::erase_if(free, [](const Place* place) { return !place->known; });
  if (free.size() < 2) return result;
  const auto by_load = [&](const Place* a, const Place* b) { return load[a->server] < load[b->server]; };
  const Place* least = *std::ranges::min_element(free, by_load);
  const Place* most = *std::ranges::max_element(free, by_load);
  if (load[most->server] - load[least->server] < 2) return result;
  for (auto slot = result.rbegin(); slot != result.rend(); ++slot) {
    if (slot->second != most->server) continue;
    slot->second = least->server;
    break;
  }
  return result;
}

ProvisionDecision provision(const ProvisionInput& input, const std::vector<ServerView>& servers) {
  ProvisionDecision decision;
  // With room for the number in a name of 63 characters.
  const std::string stem = input.app.substr(0, 57);
  std::vector<const ServerView*> ours;
  std::set<std::string> taken;
  for (const auto& server : servers) {
    taken.insert(server.short_name());
    if (server.ours && !server.deleting) ours.push_back(&server);
  }
  // The last made go first, but before them those that do not work.
  std::ranges::sort(ours, {}, [&](const ServerView* server) {
    return std::pair(server->ready != "True", number_of(server->short_name(), stem));
  });
  while (static_cast<int>(ours.size()) > input.count) {
    decision.remove.push_back(ours.back()->short_name());
    ours.pop_back();
  }
  const int missing = input.count - static_cast<int>(ours.size());
  for (int number = 1; static_cast<int>(decision.make.size()) < missing; ++number) {
    const std::string name = stem + "-" + std::to_string(number);
    if (!taken.contains(name)) decision.make.push_back(name);
  }
  const auto outdated = [&](const ServerView* server) { return server->template_hash != input.template_hash; };
  const bool under_way =
      std::ranges::any_of(ours, [&](const ServerView* server) { return !server->settled && !outdated(server); });
  if (under_way) return decision;
  for (const bool settled : {false, true}) {
    for (const ServerView* server : ours) {
      if (decision.change || server->settled != settled || !outdated(server)) continue;
      decision.change = server->short_name();
    }
  }
  return decision;
}

}  // namespace gantry::reconcilers::app
