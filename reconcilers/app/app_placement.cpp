// Where an App's instances run: its Servers seen, those that are made for it made and removed, and the place of each
// slot recorded before anything is started there. What placement.hpp decides is done here.
#include <algorithm>

#include "controller/base/log.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using Verb = runtime::Action::Verb;

const object::Resource& servers_resource() {
  static const auto resource = object::Resource::of("gantry.dev", "servers");
  return resource;
}
const api::WriteOptions kAsApp{.field_manager = "gantry-app"};

// A host that has never been heard of is asked for seldomer and seldomer; news of its Server come by themselves.
constexpr Duration kHeldFirst = std::chrono::seconds(1);
constexpr Duration kHeldLast = std::chrono::seconds(30);
// Tries that may have been made where nobody could look since the last time it was written down.
constexpr int kUnseenTries = 100;

const json::Value* provision_of(const json::Value& app) {
  const json::Value* provision = app.at({"spec", "placement", "provision"});
  return provision && provision->is_object() ? provision : nullptr;
}

bool has_volumes(const json::Value& pod_template) {
  const json::Value* volumes = pod_template.find("volumes");
  return volumes && volumes->is_array() && !volumes->as_array().empty();
}

// Nothing else is under way: every slot lives where it should, and nobody else does.
bool is_calm(const AppSeen& seen, int replicas) {
  int ready = 0;
  for (const auto& one : seen.instances) {
    if (!one.replica.alive()) continue;
    if (one.replica.release != seen.target.release || one.replica.slot >= replicas) return false;
    if (one.replica.phase != Replica::Phase::Ready || !one.instance.in_doubt.empty()) return false;
    ++ready;
  }
  return ready == replicas;
}

std::string short_name(const std::string& server) { return server.substr(server.find('/') + 1); }

const SeenInstance* alive_in(const AppSeen& seen, int slot) {
  for (const auto& one : seen.instances) {
    if (one.replica.alive() && one.replica.release == seen.target.release && one.replica.slot == slot) return &one;
  }
  return nullptr;
}

}  // namespace

void AppReconciler::servers_changed(const std::string& ns) {
  for (const auto& [uid, memory] : memory_) {
    if (memory.has_placement && memory.key.ns == ns) parts_.wake(memory.key);
  }
}

void follow_servers(runtime::Informers& informers, AppReconciler& apps) {
  informers.on_change([&apps](const runtime::Change& change) {
    if (change.object().key().resource != servers_resource()) return;
    if (change.before && change.after && placement_facts(change.before) == placement_facts(change.after)) return;
    apps.servers_changed(change.object().key().ns);
  });
}

Task<> AppReconciler::observe_servers(const runtime::Subject& subject, AppSeen& seen) {
  const json::Value* spec = subject.json.find("spec");
  const bool told = subject.json.at({"status", "placements"}) != nullptr;
  const bool declared =
      (spec && has_placement(*spec)) || told ||
      std::ranges::any_of(seen.releases, [](const auto& one) { return has_placement(one.pod_template); });
  AppMemory& memory = memory_[subject.meta().uid];
  memory.key = subject.key();
  memory.has_placement = declared;
  if (!declared) co_return;
  recall_placement(subject);
  api::ListOptions options;
  options.ns = subject.key().ns;
  const api::List list = co_await parts_.client.list(servers_resource(), options);
  for (const auto& object : list.items) seen.servers.push_back(read_server(object, subject.meta().uid));
  if (subject.meta().deleting || !spec) co_return;

  ProvisionInput input;
  input.app = subject.key().name;
  if (const json::Value* provision = provision_of(subject.json)) {
    input.count = observe_server_scaling(subject, seen, static_cast<int>(provision->int_or("count", 1)));
    const json::Value* made_of = provision->find("template");
    input.template_hash =
        sha256(json::dump(made_of ? *made_of : json::Value(json::Object{})) + (subject.retained() ? "Retain" : ""));
    seen.template_hash = input.template_hash;
  }
  seen.provision = gantry::reconcilers::app::provision(input, seen.servers);
  try {
    seen.wanted_placement.declared = has_placement(*spec);
    seen.wanted_placement.places = places_of(*spec, subject.json, subject.key().ns, seen.servers);
  } catch (const Error& error) {  // tidy: what is written wrong is told by the plan, and what runs goes on
    seen.placement_problem = "spec.placement.selector: " + error.message();
  }
  learn_hosts(seen.wanted_placement);
}

void AppReconciler::learn_hosts(Placement& placement) const {
  for (auto& place : placement.places) {
    try {
      parts_.host.must_know(place.server);
      place.known = place.view != nullptr;
    } catch (const Error&) {  // tidy: it is not known, and place.known says so
    }
  }
}

// The names in the status are of the App's own namespace.
void AppReconciler::recall_placement(const runtime::Subject& subject) {
  AppMemory& memory = memory_[subject.meta().uid];
  if (std::exchange(memory.placement_recalled, true)) return;
  const json::Value* placements = subject.json.at({"status", "placements"});
  for (const auto& one : placements && placements->is_array() ? placements->as_array() : json::Array()) {
    const json::Value* slots = one.find("slots");
    for (const auto& each : slots && slots->is_array() ? slots->as_array() : json::Array()) {
      const int slot = static_cast<int>(each.int_or("slot", 0));
      memory.placed[slot] = subject.key().ns + "/" + one.string_or("server");
      memory.tries[slot] = static_cast<int>(each.int_or("tries", 0));
    }
  }
}

void AppReconciler::place(const runtime::Subject& subject, AppSeen& seen) {
  AppMemory& memory = memory_[subject.meta().uid];
  const json::Value& pod_template = seen.choice.run->pod_template;
  Placement& placement = seen.placement;
  placement.declared = has_placement(pod_template);
  for (auto& one : seen.instances) one.replica.in_doubt = !one.instance.in_doubt.empty();
  if (placement.declared && seen.placement_problem.empty())
    placement.places = places_of(pod_template, subject.json, subject.key().ns, seen.servers);
  learn_hosts(placement);
  PlacementInput input;
  input.replicas = seen.target.replicas;
  input.movable = !has_volumes(pod_template);
  input.calm = is_calm(seen, input.replicas);
  input.before = memory.placed;
  for (const auto& one : seen.instances) {
    if (one.replica.release != seen.target.release) continue;
    memory.tries[one.replica.slot] = std::max(memory.tries[one.replica.slot], one.replica.attempt);
    if (!one.replica.alive() || one.instance.stopping) continue;
    const auto recorded = memory.placed.find(one.replica.slot);
    std::string& at = input.running[one.replica.slot];
    if (at.empty() || (recorded != memory.placed.end() && recorded->second == one.instance.server))
      at = one.instance.server;
  }
  if (subject.annotation(kLeaveData) != "true") {
    for (const auto& [slot, tries] : memory.tries) {
      if (tries > 0) input.has_data.insert(slot);
    }
  }
  seen.recorded = memory.placed;
  if (placement.declared) placement.assignment = assign(placement.places, input);
  // What is written wrong moves nobody.
  if (!seen.placement_problem.empty()) placement.assignment = input.before;

  for (int slot = 0; placement.declared && slot < seen.target.replicas; ++slot) {
    const auto to = placement.assignment.find(slot);
    const Place* at = to == placement.assignment.end() ? nullptr : placement.find(to->second);
    if (!at || !at->known || !at->open()) seen.target.held.insert(slot);
    const auto from = memory.placed.find(slot);
    if (!at || from == memory.placed.end() || from->second == to->second) continue;
    const Place* left = placement.find(from->second);
    const auto view = std::ranges::find(seen.servers, from->second, &ServerView::name);
    const bool unseen = view != seen.servers.end() && view->ever_reached && !(left && left->known);
    if (unseen && !alive_in(seen, slot)) memory.first_try[slot] = memory.tries[slot] + kUnseenTries;
  }
  for (const auto& [slot, server] : placement.assignment) {
    if (seen.errands.busy.contains(server)) seen.target.busy.insert(slot);
  }
  seen.target.first_try = memory.first_try;
  if (seen.target.held.empty()) memory.held_since.reset();
  if (!seen.target.held.empty() && !memory.held_since) memory.held_since = seen.now;
  if (!seen.placement_problem.empty()) return;

  for (auto& one : seen.instances) {
    Replica& replica = one.replica;
    if (!replica.alive()) continue;
    const Place* here = placement.find(one.instance.server);
    const bool of_target = replica.release == seen.target.release && replica.slot < seen.target.replicas;
    const auto to = placement.assignment.find(replica.slot);
    const std::string expected = to == placement.assignment.end() ? std::string() : to->second;
    const bool elsewhere = of_target && one.instance.server != expected;
    // Also a Server that it is pinned to although its placement does not match it any more.
    const auto view = std::ranges::find(seen.servers, one.instance.server, &ServerView::name);
    const bool leaving =
        placement.declared && (here ? !here->open() : view != seen.servers.end() && !view->leaving.empty());
    if (!elsewhere && !leaving) continue;
    const Place* there = placement.find(expected);
    const bool has_somewhere = elsewhere && (there ? there->open() : !placement.declared);
    replica.place = has_somewhere ? Replica::Place::Moving : Replica::Place::Lost;
    // Of a release that is being replaced: only when nothing at all can take its place.
    if (!of_target) {
      const bool nowhere = std::ranges::none_of(placement.places, [](const Place& place) { return place.open(); });
      replica.place = nowhere ? Replica::Place::Lost : Replica::Place::Kept;
    }
    const std::string name = one.instance.server.empty() ? "this machine" : "Server " + short_name(one.instance.server);
    replica.leaves_because = leaving && view != seen.servers.end() ? name + ": " + view->leaving
                             : leaving                             ? name + " is not there any more"
                             : here                                ? "replicas are spread evenly over its Servers"
                                                                   : "it is not placed on " + name + " any more";
  }
}

void AppReconciler::wait_for_firewalls(const std::string& uid, AppSeen& seen) {
  auto& reachable = memory_[uid].reachable;
  std::set<std::string> alive;
  for (auto& one : seen.instances) {
    if (!one.replica.alive()) continue;
    alive.insert(one.instance.id);
    const auto server = std::ranges::find(seen.servers, one.instance.server, &ServerView::name);
    if (one.replica.phase != Replica::Phase::Ready || reachable.contains(one.instance.id)) continue;
    std::string closed;
    for (const auto& port : one.instance.ports) {
      const bool asked = server != seen.servers.end() && server->guarded && port.host_port > 0;
      if (asked && !server->open_ports.contains(port.published())) closed = port.published();
    }
    if (closed.empty() || one.replica.serving) {
      reachable.insert(one.instance.id);
      continue;
    }
    one.replica.phase = Replica::Phase::Starting;
    one.health.message = "the firewall of Server " + server->short_name() + " does not let " + closed + " in yet";
  }
  std::erase_if(reachable, [&](const std::string& id) { return !alive.contains(id); });
}

// Always the same as long as that one is there: where a hook has run, the record of it is.
std::optional<std::string> AppReconciler::hook_server(const AppSeen& seen) const {
  if (!seen.wanted_placement.declared) return "";
  const auto& places = seen.wanted_placement.places;
  const auto first = std::ranges::find_if(places, [](const Place& place) { return place.open(); });
  if (first == places.end() || !first->known) return std::nullopt;
  return first->server;
}

std::optional<std::string> AppReconciler::run_server(const AppSeen& seen) const {
  if (!seen.placement.declared) return "";
  const auto known = seen.placement.known();
  if (known.empty()) return std::nullopt;
  const auto first = seen.placement.assignment.find(0);
  const bool usable =
      first != seen.placement.assignment.end() && std::ranges::find(known, first->second) != known.end();
  return usable ? first->second : known.front();
}

// ---------------------------------------------------------------- plan

void AppReconciler::plan_servers(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  if (!seen.provision || plan_server_scaling(subject, seen, plan)) return;
  const auto add = [&](Verb verb, const std::string& name, std::string reason, bool destructive = false) {
    plan.actions.push_back({verb, "server", name, std::move(reason), {}, {}, destructive, {}});
  };
  const json::Value* provision = provision_of(subject.json);
  const AppMemory& memory = memory_.at(subject.meta().uid);
  const bool refused = memory.server_refused.first == subject.meta().generation && memory.server_refused.first != 0;
  const std::string count = seen.server_load ? std::to_string(*seen.server_load->desired)
                            : provision      ? std::to_string(provision->int_or("count", 1))
                                             : "0";
  for (const auto& name : seen.provision->make) {
    if (refused) break;
    add(Verb::Create, name, "spec.placement.provision asks for " + count);
    plan.actions.back().after = provision->find("template") ? *provision->find("template") : json::Value();
  }
  for (const auto& name : seen.provision->remove)
    add(Verb::Delete, name,
        provision ? "spec.placement.provision asks for " + count + " only" : "spec.placement.provision is gone", true);
  if (seen.provision->change && !refused) {
    add(Verb::Update, *seen.provision->change, "spec.placement.provision.template has changed");
    plan.actions.back().after = *provision->find("template");
  }
  if (seen.provision->change || refused) plan.look_again = std::min(plan.look_again.value_or(kHeldLast), kHeldLast);
}

void AppReconciler::plan_placement(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  if (!seen.target.held.empty()) {
    const Duration since = seen.now - memory_.at(subject.meta().uid).held_since.value_or(seen.now);
    const Duration next = std::clamp<Duration>(since / 2, kHeldFirst, kHeldLast);
    plan.look_again = std::min(plan.look_again.value_or(next), next);
  }
  if (seen.placement.assignment == seen.recorded) return;
  std::string words;
  for (const auto& [slot, server] : seen.placement.assignment) {
    const auto before = seen.recorded.find(slot);
    if (before != seen.recorded.end() && before->second == server) continue;
    words += (words.empty() ? "" : ", ") + ("replica " + std::to_string(slot)) + " on " + short_name(server);
  }
  plan.actions.push_back(
      {Verb::Update, "placement", subject.key().name, words.empty() ? "fewer replicas" : words, {}, {}, false, {}});
}

void AppReconciler::plan_server_removal(const AppSeen& seen, runtime::Plan& plan) {
  for (const auto& server : seen.servers) {
    if (!server.ours) continue;
    if (!server.deleting) {
      plan.actions.push_back(
          {Verb::Delete, "server", server.short_name(), "it was made for the App, which is deleted", {}, {}, true, {}});
      continue;
    }
    plan.blocked = true;
    plan.blocked_reason = "RemovingServers";
    plan.blocked_message = "waiting for Server " + server.short_name() + " to be removed: " + server.message;
  }
}

// ---------------------------------------------------------------- act

// Their names are the App's with a number, and nobody else can make the same: so none is made twice, whatever is cut
// off in between.
Task<> AppReconciler::act_on_server(const runtime::Subject& subject, const AppSeen& seen, const Action& action,
                                    runtime::Notes& notes) {
  const std::string& name = action.target;
  const auto view = std::ranges::find_if(seen.servers, [&](const auto& one) { return one.short_name() == name; });
  // What becomes of the machines when the App goes is for the App to say.
  const auto annotate = [&](json::Value& metadata) {
    json::Value& annotations = metadata["annotations"];
    if (!annotations.is_object()) annotations = json::Object{};
    annotations.as_object().set(kTemplateHash, seen.template_hash);
    if (subject.retained())
      annotations.as_object().set("gantry.dev/deletion-policy", "Retain");
    else
      annotations.as_object().erase("gantry.dev/deletion-policy");
  };
  std::optional<Error> refused;
  try {
    if (action.verb == Verb::Delete) {
      if (view == seen.servers.end()) co_return;
      co_await parts_.client.remove(view->stored->key(), {.uid = view->stored->meta().uid});
      notes.note({false, "ServerRemoved", "Server " + name + ": " + action.reason});
      co_return;
    }
    if (action.verb == Verb::Update) {
      json::Value server = view->stored->decode();
      server["spec"] = action.after;
      annotate(server["metadata"]);
      co_await parts_.client.update(servers_resource(), std::move(server), kAsApp);
      notes.note({false, "ServerChanged", "Server " + name + ": " + action.reason});
      co_return;
    }
    json::Value server = json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                                      {"kind", "Server"},
                                      {"metadata", owned_metadata(subject, name)},
                                      {"spec", action.after}};
    annotate(server["metadata"]);
    co_await parts_.client.create(servers_resource(), std::move(server), kAsApp);
    notes.note({false, "ServerDeclared", "Server " + name + ": " + action.reason});
    co_return;
  } catch (const Error& error) {
    // Made already, by an attempt that was cut short, or gone already: the next look tells.
    if (error.code() == ErrorCode::AlreadyExists || error.code() == ErrorCode::NotFound) co_return;
    if (error.retryable()) throw;
    refused = error;
  }
  memory_[subject.meta().uid].server_refused = {subject.meta().generation, refused->message()};
  notes.note({true, "ServerRefused", "Server " + name + ": " + refused->message()});
}

// Durable before anything is started: whoever comes after a crash, while the Server is silent, knows that it is there.
Task<> AppReconciler::record_placement(const runtime::Subject& subject, const AppSeen& seen) {
  co_await parts_.client.patch_status(
      subject.key(), api::PatchType::Merge,
      json::Object{{"metadata", json::Object{{"uid", subject.meta().uid}}},
                   {"status", json::Object{{"placements", placements_of(subject, seen)}}}},
      kAsApp);
  AppMemory& memory = memory_[subject.meta().uid];
  memory.placed = seen.placement.assignment;
}

// ---------------------------------------------------------------- report

json::Value AppReconciler::placements_of(const runtime::Subject& subject, const AppSeen& seen) const {
  struct Row {
    int replicas = 0;
    int ready = 0;
    json::Array slots{};
    std::string problem{};
    std::string waits{};  // what it has been asked for and does not answer
  };
  std::vector<std::pair<std::string, Row>> rows;
  const auto row_of = [&](const std::string& server) -> Row& {
    const auto known = std::ranges::find(rows, server, &std::pair<std::string, Row>::first);
    return known != rows.end() ? known->second : rows.emplace_back(server, Row{}).second;
  };
  const AppMemory& memory = memory_.at(subject.meta().uid);
  for (const auto& place : seen.placement.places) row_of(place.server);
  for (const auto& [slot, server] : seen.placement.assignment) {
    Row& row = row_of(server);
    const auto tries = memory.tries.find(slot);
    row.slots.push_back(json::Object{{"slot", slot}, {"tries", tries == memory.tries.end() ? 0 : tries->second}});
    if (const auto failure = seen.start_failures.find(slot); failure != seen.start_failures.end())
      row.problem = "replica " + std::to_string(slot) + ": " + failure->second;
  }
  for (const auto& one : seen.instances) {
    if (!one.replica.alive() || one.instance.server.empty()) continue;
    Row& row = row_of(one.instance.server);
    ++row.replicas;
    if (one.replica.phase == Replica::Phase::Ready && one.instance.in_doubt.empty()) ++row.ready;
    if (!one.instance.in_doubt.empty()) row.problem = one.instance.in_doubt;
  }
  for (const auto& [server, problem] : seen.errands.problems) row_of(server).problem = problem;
  for (const Errand& errand : seen.errands.all) {
    if (!errand.answered && seen.now - errand.begun >= Errands::kSlow) row_of(errand.server).waits = errand.waits();
  }
  json::Array list;
  for (auto& [server, row] : rows) {
    const Place* place = seen.placement.find(server);
    const ServerView* view = place ? place->view : nullptr;
    std::string state = "Ready";
    std::string message = row.problem;
    if (!place || (view && !place->open())) {
      state = "Leaving";
      if (view) message = view->leaving;
      if (!place && !row.slots.empty()) message = seen.placement.pinned(server);
    } else if (!view) {
      state = "Absent";
      message = place->problem();
    } else if (view->refused && view->ready != "True") {
      state = "Failed";
      message = view->message;
    } else if (view->ready == "False" && view->ever_reached) {
      state = "Failed";
      message = view->message;
    } else if (!place->known || view->ready == "False") {
      state = "Waiting";
      message = place->problem();
    } else if (!row.problem.empty()) {
      state = "Failed";
    } else if (!row.waits.empty()) {
      state = "Waiting";
      message = row.waits;
    }
    json::Object one{{"server", short_name(server)},
                     {"state", state},
                     {"replicas", row.replicas},
                     {"readyReplicas", row.ready},
                     {"slots", std::move(row.slots)}};
    if (!message.empty()) one.set("message", log::redacted(message));
    list.emplace_back(std::move(one));
  }
  return list;
}

}  // namespace gantry::reconcilers::app
