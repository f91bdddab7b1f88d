#include "reconcilers/provider/accounts.hpp"

#include <algorithm>

#include "controller/base/base64.hpp"
#include "controller/base/digest.hpp"
#include "controller/base/log.hpp"

namespace gantry::reconcilers::provider {

Accounts::Accounts(api::Client& client, providers::ProviderParts parts, Factories factories, AccountOptions options)
    : client_(client), parts_(parts), factories_(std::move(factories)), options_(options) {}

Task<AccountRef> Accounts::of(std::string ns, std::string name) {
  AccountRef ref;
  const auto stored = co_await client_.find({object::Resource::of("gantry.dev", "providers"), ns, name});
  if (!stored) {
    ref.problem_reason = "ReferenceNotFound";
    ref.problem =
        "Provider \"" + name + "\" does not exist in namespace " + ns + "; this goes on by itself when it does";
    co_return ref;
  }
  const json::Value json = stored->decode();
  ref.spec = crds::decode_provider_spec(json);
  const json::Value* allowed = json.at({"metadata", "annotations", "gantry.dev/mass-deletes"});
  ref.mass_deletes = allowed && *allowed == json::Value("allow");
  const std::string type(crds::to_string(ref.spec.type));
  const auto factory = factories_.find(type);
  if (factory == factories_.end()) {
    ref.problem_reason = "NotSupported";
    ref.problem = "this version makes nothing at providers of type " + type;
    co_return ref;
  }
  providers::ProviderSettings settings{ns + "/" + name, ref.spec.endpoint, ref.spec.region, {}};
  settings.credentials = co_await credentials(ns, ref.spec, ref);
  if (!ref.problem.empty()) co_return ref;

  std::string identity = type + "\n" + settings.endpoint + "\n" + settings.region;
  for (const auto& [key, value] : settings.credentials) identity += "\n" + key + "=" + value.reveal();
  identity = sha256_hex(identity);
  identity_of_.insert_or_assign(settings.name, identity);
  if (const auto known = accounts_.find(identity); known != accounts_.end()) {
    ref.account = known->second;
    co_return ref;
  }
  try {
    auto made = std::make_shared<Account>(parts_.reactor, settings.name, factory->second(parts_, settings), options_);
    for (const auto& listener : listeners_) made->on_change(listener);
    accounts_.insert_or_assign(identity, made);
    ref.account = std::move(made);
  } catch (const Error& error) {  // tidy: a Provider that is written wrong is its own problem, not an attempt's
    if (error.code() != ErrorCode::Invalid) throw;
    ref.problem_reason = "InvalidProvider";
    ref.problem = error.message();
  }
  drop_unused();
  co_return ref;
}

Task<std::map<std::string, Secret>> Accounts::credentials(const std::string& ns, const crds::ProviderSpec& spec,
                                                          AccountRef& ref) {
  std::map<std::string, Secret> entries;
  if (!spec.credentials) co_return entries;
  const std::string& name = spec.credentials->secret_ref.name;
  const auto stored = co_await client_.find({object::Resource::of("", "secrets"), ns, name});
  if (!stored) {
    ref.problem_reason = "ReferenceNotFound";
    ref.problem = "Secret \"" + name + "\" of the Provider's spec.credentials does not exist";
    co_return entries;
  }
  const json::Value json = stored->decode();
  const json::Value* data = json.find("data");
  if (!data || !data->is_object()) co_return entries;
  for (const auto& [key, value] : data->as_object()) {
    std::string text = value.is_string() ? base64_decode(value.as_string()).value_or("") : "";
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    log::redact(text);
    entries.emplace(key, Secret(std::move(text)));
  }
  co_return entries;
}

// Whoever still works with one keeps it until they are done.
void Accounts::drop_unused() {
  std::erase_if(accounts_, [&](const auto& entry) {
    return std::ranges::none_of(identity_of_, [&](const auto& use) { return use.second == entry.first; });
  });
}

void Accounts::forget(const std::string& ns, const std::string& name) {
  identity_of_.erase(ns + "/" + name);
  drop_unused();
}

void Accounts::on_change(std::function<void(const std::string& uid)> listener) {
  for (const auto& [identity, account] : accounts_) account->on_change(listener);
  listeners_.push_back(std::move(listener));
}

Task<> Accounts::close() {
  for (const auto& [identity, account] : std::exchange(accounts_, {})) co_await account->provider().close();
}

}  // namespace gantry::reconcilers::provider
