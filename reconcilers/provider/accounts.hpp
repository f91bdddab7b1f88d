// The accounts behind the Provider objects. Two Providers that name the same account with the same credentials share
// one, so that it is listed once and its calls are counted once; new credentials make a new one. On the loop's reactor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/client.hpp"
#include "crds/provider.hpp"
#include "reconcilers/provider/account.hpp"

namespace gantry::reconcilers::provider {

// What spec.providerRef leads to: an account, or why there is none.
struct AccountRef {
  AccountPtr account;
  bool absent = false;  // no such Provider is stored
  crds::ProviderSpec spec;
  bool mass_deletes = false;   // annotation gantry.dev/mass-deletes: "allow"
  std::string credentials;     // tells them from others, and nothing of them: 12 hex digits
  std::string problem_reason;  // ReferenceNotFound, NotSupported, InvalidCredentials, AccountChanged
  std::string problem;
};

class Accounts {
 public:
  using Factories = std::map<std::string, providers::ProviderFactory, std::less<>>;  // by spec.type
  Accounts(api::Client& client, providers::ProviderParts parts, Factories factories, AccountOptions options = {});

  // By name of the Provider; what it says now. New credentials may be another account's, by mistake: there everything
  // would seem to be gone, and would be made anew. So they are held against what the Provider's status remembers, and
  // lead nowhere (AccountChanged) if they are another's, until annotation gantry.dev/accept-account names them.
  // Throws Error when the API does not answer, or the account does not say which it is.
  Task<AccountRef> of(std::string ns, std::string name);
  // The Provider is gone.
  void forget(const std::string& ns, const std::string& name);
  // As Account::on_change(), of every account, those that are still to come included.
  void on_change(std::function<void(const std::string& uid)> listener);
  Task<> close();

 private:
  // Why it is not the account that the Provider was; empty: it is.
  Task<std::string> changed(const json::Value& provider, const AccountRef& ref);
  AccountPtr account_of(const std::string& identity, const providers::ProviderSettings& settings,
                        const providers::ProviderFactory& factory);
  Task<std::map<std::string, Secret>> credentials(const std::string& ns, const crds::ProviderSpec& spec,
                                                  AccountRef& ref);
  void drop_unused();

  api::Client& client_;
  providers::ProviderParts parts_;
  Factories factories_;
  AccountOptions options_;
  std::map<std::string, AccountPtr> accounts_;      // by what tells one from another
  std::map<std::string, std::string> identity_of_;  // of a Provider, by "namespace/name"
  std::map<std::string, std::string> confirmed_;    // the credentials that were found to be the right account's, alike
  std::vector<std::function<void(const std::string&)>> listeners_;
};

}  // namespace gantry::reconcilers::provider
