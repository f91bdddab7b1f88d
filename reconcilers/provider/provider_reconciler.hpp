// Keeps an account under the eye of its Provider: signs in, lists what is there when nobody else has lately, and says
// how much of it is used, with a warning before a month's traffic is used up. Makes and removes nothing.
#pragma once

#include "controller/runtime/reconciler.hpp"
#include "reconcilers/provider/accounts.hpp"
#include "reconcilers/provider/board.hpp"

namespace gantry::reconcilers::provider {

struct ProviderSeen;

class ProviderReconciler final : public runtime::Reconciler {
 public:
  // board: where what is there is posted; outlives this. Null: nobody reads it.
  ProviderReconciler(Reactor& reactor, Accounts& accounts, Board* board = nullptr)
      : reactor_(reactor), accounts_(accounts), board_(board) {}

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;
  void forget(const std::string& uid) override;
  bool holds_real_things() const override { return false; }

 private:
  Task<> look(AccountPtr account, ProviderSeen& seen);
  Task<> post(std::string name, AccountPtr account, SweepPtr sweep);
  std::string warned(const runtime::Subject& subject) const;

  Reactor& reactor_;
  Accounts& accounts_;
  Board* board_;
  std::map<std::string, object::Key> keys_;    // by uid
  std::map<std::string, std::string> warned_;  // of traffic, in which month; by uid
};

}  // namespace gantry::reconcilers::provider
