// GET .../providers/NAME/existing: manifests for what is at the account and nobody has declared (gantry import).
// GET .../{providers,servers,snapshots}/NAME/calls: the last calls to the vendor that were about it (gantry describe).
#pragma once

#include "controller/api/api.hpp"
#include "reconcilers/provider/accounts.hpp"

namespace gantry::app {

// accounts lives on the loop, and may come later than the first request: it is asked for then. All outlive api.
void show_accounts(api::Api& api, Reactor& front, Reactor& loop,
                   std::function<reconcilers::provider::Accounts*()> accounts);

}  // namespace gantry::app
