#include <algorithm>

#include "reconcilers/server/cloud_plan.hpp"
#include "reconcilers/server/reserved_address.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {
namespace {

using providers::CloudServer;
using providers::Mark;

// Asked to shut down, a machine has so long before its plug is pulled.
constexpr Duration kShutdownGrace = std::chrono::minutes(2);
constexpr Duration kAddressTime = std::chrono::minutes(5);
// So long after a reserved address was assigned it is not assigned again.
constexpr Duration kAssignTime = std::chrono::minutes(1);

Record record_of(const runtime::Subject& subject) {
  Record record;
  record.external_name = subject.annotation("gantry.dev/external-name");
  record.made_from = subject.annotation("gantry.dev/made-from");
  record.network = subject.annotation("gantry.dev/made-in");
  record.pending = provider::pending_of(subject);
  return record;
}

void problem(CloudView& view, std::string reason, std::string message) {
  if (!view.problem.empty()) return;
  view.problem_reason = std::move(reason);
  view.problem = std::move(message);
}

void keep_ours(const std::vector<CloudServer>& servers, const Mark& mark, CloudView& view) {
  for (const auto& server : servers) {
    const bool named = server.id == view.record.external_name;
    if (server.mark ? *server.mark != mark : !named) {
      if (named)
        problem(view, "OwnedByAnother",
                "server \"" + server.id + "\" of gantry.dev/external-name belongs to another object");
      continue;
    }
    if (std::ranges::none_of(view.machines, [&](const auto& known) { return known.id == server.id; }))
      view.machines.push_back(server);
  }
  std::ranges::sort(view.machines, [&](const CloudServer& a, const CloudServer& b) {
    const bool a_named = a.id == view.record.external_name;
    const bool b_named = b.id == view.record.external_name;
    if (a_named != b_named) return a_named;
    return a.created != b.created ? a.created < b.created : a.id < b.id;
  });
}

// What a resize adds to what is there.
void subtract(provider::Usage& usage, const CloudServer& machine) {
  usage.servers = 0;
  usage.cpu_millis = std::max<std::int64_t>(0, usage.cpu_millis - machine.cpu_millis.value_or(0));
  usage.memory_bytes = std::max<std::int64_t>(0, usage.memory_bytes - machine.memory_bytes.value_or(0));
  usage.disk_bytes = std::max<std::int64_t>(0, usage.disk_bytes - machine.disk_bytes.value_or(0));
  if (usage.monthly && machine.monthly) usage.monthly->micros -= machine.monthly->micros;
  if (usage.monthly && usage.monthly->micros <= 0) usage.monthly.reset();
}

// Its own: a reserved address may lead elsewhere any moment.
std::string reachable_address(const CloudServer& machine, const std::string& reserved) {
  for (const auto reach : {providers::CloudAddress::Reach::Public, providers::CloudAddress::Reach::Private}) {
    for (const bool six : {false, true}) {
      for (const auto& address : machine.addresses) {
        if (address.address == reserved) continue;
        if (address.reach == reach && (address.address.find(':') != std::string::npos) == six) return address.address;
      }
    }
  }
  return {};
}

}  // namespace

Task<> ServerReconciler::observe_cloud(const runtime::Subject& subject, ServerSeen& seen) {
  CloudView& view = seen.cloud;
  view.deleting = subject.meta().deleting;
  view.name = subject.key().ns == "default" ? subject.key().name : subject.key().ns + "-" + subject.key().name;
  view.agent_secret = subject.key().name + "-agent";
  view.now = parts_.reactor.clock().wall();
  view.spec = crds::decode_server_spec(subject.json);
  view.record = record_of(subject);
  view.wanted_from = view.spec.snapshot_ref ? "snapshot:" + view.spec.snapshot_ref->name : "image:" + view.spec.image;
  view.ref = co_await parts_.accounts->of(subject.key().ns, view.spec.provider_ref->name);
  if (!view.ref.account) {
    problem(view, view.ref.problem_reason, view.ref.problem);
    seen.problem_reason = view.problem_reason;
    seen.problem = view.problem;
    co_return;
  }
  view.region = view.spec.region.empty() ? view.ref.spec.region : view.spec.region;
  view.brake = view.ref.account->brake();
  const bool follows = !view.deleting && !view.spec.reserved_address.empty() && view.can().reserved_addresses;
  memory_of(subject).follows_addresses = follows ? view.ref.account->follow_addresses() : nullptr;
  co_await observe_machines(subject, seen);
  if (!view.machines.empty())
    seen.endpoint.address = reachable_address(view.machines.front(), view.spec.reserved_address);
  co_await observe_endpoint(subject, seen);
  co_await observe_residents(subject.key().ns + "/" + subject.key().name, subject, seen);
  observe_silence(subject, seen);
  if (view.deleting) {
    observe_drain(subject, why_leave(view), seen);
    co_return;
  }
  view.drain_requested = subject.annotation("gantry.dev/drain") == "true";
  view.wants_firewall = view.spec.firewall.has_value();
  view.published = seen.residents.ports;
  try {
    view.rules = firewall_rules(view.spec, view.published, view.ref.spec.admin_cidrs);
  } catch (const Error& error) {  // tidy: what is written wrong is shown by the plan, not thrown at the queue
    problem(view, "Invalid", error.message());
  }
  co_await observe_reserved_address(subject, seen);
  co_await observe_wish(subject, view);
  observe_drain(subject, why_leave(view), seen);
  const runtime::Plan next = plan_cloud(view);
  memory_of(subject).hurry = !next.actions.empty() || (next.look_again && *next.look_again <= view.can().poll_every);
}

// The sweep says what is there. What it does not show, although something may have been made, is asked for by its mark
// and by its id before anybody believes that it is not there.
Task<> ServerReconciler::observe_machines(const runtime::Subject& subject, ServerSeen& seen) {
  CloudView& view = seen.cloud;
  const provider::AccountPtr account = view.ref.account;
  const Mark mark{subject.meta().uid, "server"};
  // A budget is held against what is there now.
  const bool hurry = memory_of(subject).hurry || view.deleting || view.record.nothing_made();
  view.sweep = co_await account->sweep(seen.now - (hurry ? account->can().poll_every : account->rest() * 2));
  const Memory memory = memory_of(subject);
  view.stale = memory.acted != Instant{} && view.sweep->began <= memory.acted;
  view.just_acted = memory.acted != Instant{} && seen.now - memory.acted < std::chrono::minutes(1);
  if (memory.refusal && memory.refusal->generation == subject.meta().generation && memory.refusal->until > seen.now) {
    view.refusal_reason = traits(memory.refusal->error.code()).reason;
    view.refusal = memory.refusal->error.message();
    view.refusal_lasts = memory.refusal->until - seen.now;
  }
  view.shutdown_overdue = memory.shutdown_at != Instant{} && seen.now - memory.shutdown_at > kShutdownGrace;
  keep_ours(view.sweep->inventory.servers, mark, view);
  if (view.machines.empty() && !view.record.nothing_made() && !view.stale) {
    std::vector<std::string> ids{view.record.external_name};
    if (memory.operation) ids.push_back(memory.operation->target);
    for (const auto& id : ids) {
      if (!view.machines.empty() || id.empty()) continue;
      if (const auto found = co_await account->provider().find_server(id)) keep_ours({*found}, mark, view);
    }
    if (view.machines.empty()) keep_ours(co_await account->provider().servers_of(mark), mark, view);
  }
  observe_address(subject, seen);
  for (const auto& firewall : view.sweep->inventory.firewalls) {
    if (firewall.mark && *firewall.mark == mark) view.firewall = firewall;
  }
  co_await observe_operation(subject, view);
}

// Where a machine asks for its address only once it runs. One that gets none is left to the sweeps.
void ServerReconciler::observe_address(const runtime::Subject& subject, ServerSeen& seen) {
  CloudView& view = seen.cloud;
  const bool waits = !view.machines.empty() && view.machines.front().state == CloudServer::State::Running &&
                     view.machines.front().addresses.empty();
  Instant& since = memory_of(subject).unaddressed;
  if (!waits) since = {};
  if (waits && since == Instant{}) since = seen.now;
  view.address_due = waits && seen.now - since < kAddressTime;
}

Task<> ServerReconciler::observe_reserved_address(const runtime::Subject& subject, ServerSeen& seen) {
  CloudView& view = seen.cloud;
  if (!memory_of(subject).follows_addresses) co_return;
  const provider::SweepPtr sweep = view.sweep;
  if (sweep->addresses_problem) {
    view.address.unknown = true;
    view.address.reason = traits(sweep->addresses_problem->code()).reason;
    view.address.problem =
        "spec.reservedAddress: where it leads to is not known: " + sweep->addresses_problem->message();
  }
  if (!sweep->addresses) co_return;
  std::optional<CloudServer> holder;
  if (const std::string id = holder_of(*sweep->addresses, view.spec.reserved_address); !id.empty()) {
    const auto& servers = sweep->inventory.servers;
    const auto at = std::ranges::find(servers, id, &CloudServer::id);
    holder = at == servers.end() ? co_await view.ref.account->provider().find_server(id) : std::optional(*at);
  }
  judge_address(*sweep->addresses, holder ? &*holder : nullptr, subject.meta().uid,
                subject.annotation("gantry.dev/take-address"), view);
  const Instant assigned = memory_of(subject).assigned;
  view.address.tried = assigned != Instant{} && seen.now - assigned < kAssignTime;
}

// Long work that came to nothing says why only when it is asked, and it is asked only when what it was for is not
// there.
Task<> ServerReconciler::observe_operation(const runtime::Subject& subject, CloudView& view) {
  const auto operation = memory_of(subject).operation;
  if (!operation || view.stale) co_return;
  const CloudServer* machine = view.machines.empty() ? nullptr : &view.machines.front();
  if (machine && machine->busy) co_return;
  const bool as_wanted = machine && machine->state == CloudServer::State::Running &&
                         (view.spec.size.empty() || machine->size == view.spec.size);
  if (operation->id.empty() || as_wanted) {
    memory_of(subject).operation.reset();
    co_return;
  }
  const auto progress = co_await view.ref.account->provider().poll({operation->id});
  if (progress.empty() || progress.front().state == providers::Progress::State::Running) co_return;
  memory_of(subject).operation.reset();
  if (progress.front().state != providers::Progress::State::Failed) co_return;
  view.ref.account->release(subject.meta().uid);
  Error error(ErrorCode::Unavailable, "the provider could not do it: " + progress.front().problem);
  if (progress.front().capacity) error.retry_after = std::chrono::minutes(1);
  throw error;
}

// What is to be made, or made of what is there: only looked up when something of it differs.
Task<> ServerReconciler::observe_wish(const runtime::Subject& subject, CloudView& view) {
  const CloudServer* machine = view.machines.empty() ? nullptr : &view.machines.front();
  const bool another_disk = machine && !view.record.made_from.empty() && view.record.made_from != view.wanted_from;
  const bool another_size = machine && !view.spec.size.empty() && machine->size != view.spec.size;
  const bool needed = !machine || another_disk || another_size;
  provider::Wish wish{
      view.spec.size, view.region, view.spec.image, {}, 0, subject.annotation("gantry.dev/allow-retired") == "true"};
  view.image = view.spec.image;
  if (view.spec.snapshot_ref) {
    const std::string& name = view.spec.snapshot_ref->name;
    const auto stored =
        co_await parts_.client.find({object::Resource::of("gantry.dev", "snapshots"), subject.key().ns, name});
    view.snapshot_used = true;
    view.own_image = true;
    const json::Value snapshot = stored ? stored->decode() : json::Value();
    const json::Value* id = snapshot.at({"status", "id"});
    view.image = id && id->is_string() ? id->as_string() : "";
    view.snapshot_current =
        !machine || view.image.empty() || machine->image_id.empty() || machine->image_id == view.image;
    if (needed && !stored)
      problem(view, "ReferenceNotFound",
              "Snapshot \"" + name + "\" does not exist; this goes on by itself when it does");
    if (needed && view.image.empty())
      problem(view, "SnapshotNotReady",
              "Snapshot \"" + name + "\" has no image yet; this goes on by itself when it has");
    const auto& images = view.sweep->inventory.images;
    const auto image = std::ranges::find(images, view.image, &providers::CloudImage::id);
    if (image != images.end()) {
      wish.architecture = image->architecture;
      wish.min_disk_bytes = image->min_disk_bytes;
      const bool there = !view.can().image_regions || view.region.empty() ||
                         std::ranges::find(image->regions, view.region) != image->regions.end();
      if (needed && !there)
        problem(view, "SnapshotNotReady", "Snapshot \"" + name + "\" is not in " + view.region + " yet");
    }
  } else if (view.spec.image.empty() && !machine) {
    problem(view, "Invalid", "spec.image or spec.snapshotRef is needed to make a server");
  }
  if (!needed) co_return;
  if (another_size && !another_disk) wish.image.clear();
  view.catalogue = co_await view.ref.account->catalogue();
  view.offer = provider::find_offer(*view.catalogue, view.can(), wish, view.now);
  view.usage =
      provider::usage_of(view.offer.size, view.offer.monthly, machine ? std::nullopt : view.catalogue->address_month);
  view.usage.what = provider::words_of(1, view.spec.size, view.region);
  if (machine) {
    subtract(view.usage, *machine);
    view.usage.what += " in place of " + machine->size;
  }
  const crds::ProviderLimits limits = view.ref.spec.limits.value_or(crds::ProviderLimits{});
  view.limit_refusal = view.ref.account->would_pass(subject.meta().uid, limits, view.usage).value_or("");
}

}  // namespace gantry::reconcilers::server
