#include "controller/base/base64.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {
namespace {

using providers::Mark;
using Verb = runtime::Action::Verb;

const api::WriteOptions kAsServer{.field_manager = "gantry-server"};

constexpr Duration kAfterRefusal = std::chrono::minutes(5);

// The provider has looked at the request and will not do it: nothing was made.
bool is_refusal(ErrorCode code) {
  switch (code) {
    case ErrorCode::Invalid:
    case ErrorCode::QuotaExceeded:
    case ErrorCode::Unauthorized:
    case ErrorCode::Forbidden:
    case ErrorCode::RateLimited:
    case ErrorCode::NotFound:
      return true;
    default:
      return false;
  }
}

}  // namespace

Task<> ServerReconciler::act_on_cloud(const runtime::Subject& subject, const ServerSeen& seen,
                                      const runtime::Action& action, runtime::Notes& notes) {
  const CloudView& view = seen.cloud;
  const provider::AccountPtr account = view.ref.account;
  providers::Provider& cloud = account->provider();
  const Mark mark{subject.meta().uid, "server"};
  if (action.type == "record") co_return co_await record(subject, view, action.target);
  if (action.type == "secret") co_return co_await make_secret(subject, action.target);
  if (action.type == "server" && action.verb == Verb::Create) co_return co_await create(subject, view, notes);

  memory_of(subject).acted = parts_.reactor.now();
  std::optional<providers::Operation> operation;
  try {
    if (action.type == "server") {
      if (account->brake() > Duration{} && !view.ref.mass_deletes) co_return;  // others were quicker
      account->removed(action.target);
      operation = co_await cloud.remove_server(action.target);
      notes.note({false, "Deleted", "server " + action.target + " at " + account->name() + ": " + action.reason});
    } else if (action.type == "firewall") {
      if (action.verb == Verb::Delete) {
        co_await cloud.remove_firewall(action.target);
      } else {
        co_await cloud.put_firewall(mark, view.name, view.rules);
      }
    } else if (action.type == "address") {
      if (!account->claim_address(view.address.found->id, mark.uid, view.sweep->began))
        co_return;  // others were quicker
      memory_of(subject).assigned = parts_.reactor.now();
      co_await cloud.assign_address(view.address.found->id, view.machines.front().id);
      notes.note({false, "AddressAssigned", action.target + " leads to server " + view.machines.front().id});
    } else if (action.type == "mark") {
      co_await cloud.mark_server(action.target, mark);
      notes.note({false, "Adopted", "server " + action.target + " is looked after from now on"});
    } else if (action.type == "size") {
      operation = co_await cloud.resize(action.target, view.spec.size);
      notes.note({false, "Resized", action.reason});
    } else if (action.type == "disk") {
      providers::ServerOrder wish = co_await order(subject, view);
      operation = co_await cloud.rebuild(action.target, std::move(wish));
      co_await annotate(subject, {{"gantry.dev/made-from", view.wanted_from}});
      notes.note({false, "Rebuilt", action.reason});
    } else if (action.type == "shutdown") {
      memory_of(subject).shutdown_at = parts_.reactor.now();
      operation = co_await cloud.power(action.target, providers::Provider::Power::Shutdown);
    } else if (action.type == "power-off") {
      operation = co_await cloud.power(action.target, providers::Provider::Power::Off);
    } else if (action.type == "power-on") {
      memory_of(subject).shutdown_at = {};
      operation = co_await cloud.power(action.target, providers::Provider::Power::On);
    }
  } catch (const Error& error) {  // tidy: it is busy with something else; the next look tells when it no longer is
    if (error.code() != ErrorCode::Conflict) throw;
  }
  if (operation) memory_of(subject).operation = std::move(operation);
}

Task<providers::ServerOrder> ServerReconciler::order(const runtime::Subject& subject, const CloudView& view) {
  providers::ServerOrder wish;
  wish.mark = {subject.meta().uid, "server"};
  wish.name = view.name;
  wish.size = view.spec.size;
  wish.region = view.region;
  wish.network = view.spec.network;
  wish.image = view.image;
  wish.own_image = view.own_image;
  for (const auto& [key, value] : subject.meta().labels) wish.labels[key] = value;
  wish.labels["gantry.dev/namespace"] = subject.key().ns;
  wish.labels["gantry.dev/name"] = subject.key().name;
  std::vector<std::string> public_keys;
  for (const auto& key : view.spec.ssh_keys)
    (provider::is_public_key(key) ? public_keys : wish.ssh_keys).push_back(key);
  std::vector<std::string> parts{provider::ssh_keys_script(public_keys)};
  if (view.spec.agent.enabled) {
    const auto& agent = view.spec.agent;
    const std::string name = agent.secret_ref ? agent.secret_ref->name : subject.key().name + "-agent";
    const auto stored = co_await parts_.client.find({object::Resource::of("", "secrets"), subject.key().ns, name});
    if (!stored) throw Error(ErrorCode::Unavailable, "Secret \"" + name + "\" with the agent's key is gone");
    const json::Value secret = stored->decode();
    const auto entry = [&](const char* key) {
      const json::Value* value = secret.at({"data", key});
      return value && value->is_string() ? base64_decode(value->as_string()).value_or("") : std::string();
    };
    provider::AgentSetup setup{parts_.agent_source ? parts_.agent_source() : provider::AgentSource{},
                               agent.port,
                               agent.http,
                               Secret(entry("key")),
                               entry("tls.crt"),
                               Secret(entry("tls.key"))};
    if (setup.key.empty() || (!agent.http && (setup.certificate.empty() || setup.certificate_key.empty())))
      throw Error(ErrorCode::Invalid, "Secret \"" + name +
                                          "\" must have key, tls.crt, tls.key and fingerprint for an agent that is yet "
                                          "to be installed");
    if (setup.source.pending) throw Error(ErrorCode::Unavailable, "the agent is being packed for other machines");
    if (setup.source.url.empty() && !view.own_image)
      throw Error(ErrorCode::Invalid,
                  "spec.agent: machines cannot fetch the agent, since this controller is not reachable for them: start "
                  "it with --advertise HOST:PORT, or start the Server from a Snapshot that has the agent");
    parts.push_back(provider::agent_script(setup));
  }
  parts.push_back(view.spec.user_data);
  wish.user_data = Secret(provider::merge_user_data(parts));
  if (wish.user_data.reveal().size() > view.can().user_data_max)
    throw Error(ErrorCode::Invalid, "spec.userData is too large: with what the agent needs it has " +
                                        std::to_string(wish.user_data.reveal().size()) +
                                        " bytes, and the provider takes " + std::to_string(view.can().user_data_max));
  co_return wish;
}

// Once and only once: what is about to be asked is durable before it is asked, and nothing is asked a second time
// before the provider was searched for the answer to the first.
Task<> ServerReconciler::create(const runtime::Subject& subject, const CloudView& view, runtime::Notes& notes) {
  const provider::AccountPtr account = view.ref.account;
  const std::string uid = subject.meta().uid;
  providers::ServerOrder wish = co_await order(subject, view);
  if (view.record.pending) {
    const auto found = co_await account->provider().servers_of(wish.mark);
    if (!found.empty()) {
      memory_of(subject).acted = parts_.reactor.now();
      co_return;
    }
  }
  if (account->reserve(uid, view.ref.spec.limits.value_or(crds::ProviderLimits{}), view.usage))
    co_return;  // somebody was quicker; the next look tells it
  const std::string prefix = uid + "-" + std::to_string(subject.meta().generation) + "-";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(view.now.time_since_epoch()).count();
  const bool again = view.record.pending && view.record.pending->what.starts_with(prefix);
  wish.token = again ? view.record.pending->what : prefix + std::to_string(seconds);
  std::optional<Error> refused;
  try {
    co_await annotate(
        subject, {{"gantry.dev/create-pending", provider::pending_value(wish.token, view.now)},
                  {"gantry.dev/made-from", view.wanted_from},
                  {"gantry.dev/made-in", view.spec.network.empty() ? json::Value() : json::Value(view.spec.network)}});
    memory_of(subject).acted = parts_.reactor.now();
    if (!view.offer.notice.empty()) notes.note({true, "EndsSoon", view.offer.notice});
    notes.note({false, "Creating", "server " + view.name + " (" + view.spec.size + ") at " + account->name()});
    memory_of(subject).operation = co_await account->provider().create_server(std::move(wish));
  } catch (const Error& error) {
    if (!is_refusal(error.code())) throw;  // it may have worked: what is reserved stays so until a listing tells
    refused = error;
  }
  if (!refused) co_return;
  account->release(uid);
  // Kept rather than thrown: the annotation that goes wakes the next attempt at once, and that one must not ask again.
  const Duration pause = refused->retry_after ? Duration(*refused->retry_after) : kAfterRefusal;
  notes.note({true, std::string(traits(refused->code()).reason), refused->message()});
  memory_of(subject).refusal = Memory::Refusal{*refused, subject.meta().generation, parts_.reactor.now() + pause};
  co_await annotate(subject, {{"gantry.dev/create-pending", nullptr}});
}

Task<> ServerReconciler::record(const runtime::Subject& subject, const CloudView& view, const std::string& id) {
  view.ref.account->release(subject.meta().uid);
  json::Object notes{{"gantry.dev/external-name", id}, {"gantry.dev/create-pending", nullptr}};
  if (view.record.made_from.empty()) notes.set("gantry.dev/made-from", view.wanted_from);
  co_await annotate(subject, std::move(notes));
}

Task<> ServerReconciler::annotate(const runtime::Subject& subject, json::Object annotations) {
  co_await provider::annotate(parts_.client, subject, std::move(annotations), kAsServer.field_manager);
}

Task<> ServerReconciler::make_secret(const runtime::Subject& subject, const std::string& name) {
  const AgentCertificate made = parts_.issue(subject.key().name);
  const auto text = [](const std::string& value) { return json::Value(base64_encode(value)); };
  const json::Value owner = json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                                         {"kind", "Server"},
                                         {"name", subject.key().name},
                                         {"uid", subject.meta().uid},
                                         {"controller", true}};
  const json::Value secret = json::Object{
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata",
       json::Object{{"name", name}, {"namespace", subject.key().ns}, {"ownerReferences", json::Array{owner}}}},
      {"type", "gantry.dev/agent"},
      {"data", json::Object{{"key", text(parts_.random->hex(32))},
                            {"tls.crt", text(made.certificate)},
                            {"tls.key", text(made.key.reveal())},
                            {"fingerprint", text(made.fingerprint)}}}};
  try {
    co_await parts_.client.create(object::Resource::of("", "secrets"), secret, kAsServer);
  } catch (const Error& error) {  // tidy: ours already, from an attempt that was cut short
    if (error.code() != ErrorCode::AlreadyExists) throw;
  }
}

}  // namespace gantry::reconcilers::server
