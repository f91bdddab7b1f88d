#include "reconcilers/provider/accounts.hpp"

#include <algorithm>

#include "controller/base/base64.hpp"
#include "controller/base/digest.hpp"
#include "controller/base/log.hpp"

namespace gantry::reconcilers::provider {
namespace {

std::string described(const std::string& type, const providers::ProviderSettings& settings) {
  std::string all = type + "\n" + settings.endpoint;
  for (const auto& [key, value] : settings.credentials) all += "\n" + key + "=" + value.reveal();
  return all;
}

std::string fingerprint(const std::string& type, const providers::ProviderSettings& settings) {
  constexpr std::size_t kDigits = 12;
  return sha256_hex(described(type, settings)).substr(0, kDigits);
}

}  // namespace

Accounts::Accounts(api::Client& client, providers::ProviderParts parts, Factories factories, AccountOptions options)
    : client_(client), parts_(parts), factories_(std::move(factories)), options_(options) {}

Task<AccountRef> Accounts::of(std::string ns, std::string name) {
  AccountRef ref;
  const auto stored = co_await client_.find({object::Resource::of("gantry.dev", "providers"), ns, name});
  if (!stored) {
    ref.absent = true;
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

  const std::string identity = sha256_hex(described(type, settings) + "\n" + settings.region);
  identity_of_.insert_or_assign(settings.name, identity);
  try {
    ref.account = account_of(identity, settings, factory->second);
  } catch (const Error& error) {  // tidy: a Provider that is written wrong is its own problem, not an attempt's
    if (error.code() != ErrorCode::Invalid) throw;
    ref.problem_reason = "InvalidProvider";
    ref.problem = error.message();
  }
  drop_unused();
  if (!ref.account) co_return ref;
  ref.credentials = fingerprint(type, settings);
  ref.problem = co_await changed(json, ref);
  if (ref.problem.empty()) co_return ref;
  ref.problem_reason = "AccountChanged";
  ref.account.reset();
  co_return ref;
}

AccountPtr Accounts::account_of(const std::string& identity, const providers::ProviderSettings& settings,
                                const providers::ProviderFactory& factory) {
  if (const auto known = accounts_.find(identity); known != accounts_.end()) return known->second;
  auto made = std::make_shared<Account>(parts_.reactor, settings.name, factory(parts_, settings), options_);
  for (const auto& listener : listeners_) made->on_change(listener);
  accounts_.insert_or_assign(identity, made);
  return made;
}

Task<std::string> Accounts::changed(const json::Value& provider, const AccountRef& ref) {
  const json::Value* before = provider.at({"status", "identity"});
  if (!before || !before->is_object() || before->string_or("credentials") == ref.credentials) co_return "";
  const json::Value* metadata = provider.find("metadata");
  const std::string name = metadata->string_or("namespace") + "/" + metadata->string_or("name");
  if (const auto known = confirmed_.find(name); known != confirmed_.end() && known->second == ref.credentials)
    co_return "";
  const json::Value* accepted = metadata->at({"annotations", "gantry.dev/accept-account"});
  const bool by_hand = accepted && *accepted == json::Value(ref.credentials);
  std::vector<std::string> landmarks;
  if (const json::Value* list = before->find("landmarks"); list && list->is_array()) {
    for (const auto& one : list->as_array()) landmarks.push_back(one.as_string());
  }
  const AccountPtr account = ref.account;
  if (by_hand || co_await account->is(before->string_or("account"), std::move(landmarks))) {
    confirmed_.insert_or_assign(name, ref.credentials);
    co_return "";
  }
  co_return "the credentials are of another account than before: nothing of what was there is here. Nothing is made or "
            "removed while that is so. Put the right ones back, or annotate gantry.dev/accept-account: \"" +
      ref.credentials + "\" to go on in this account, where everything would be made anew";
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
  confirmed_.erase(ns + "/" + name);
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
