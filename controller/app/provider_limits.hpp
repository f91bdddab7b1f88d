// Has the limits of Providers judged at admission: a Server, a Snapshot or an App's Servers that would pass them
// are refused before they are stored, with the sum.
#pragma once

#include "controller/api/api.hpp"
#include "controller/store/store.hpp"
#include "reconcilers/provider/board.hpp"

namespace gantry::app {

// store and board must outlive api; the check runs on the front.
void refuse_beyond_limits(api::Api& api, const store::Store& store, const reconcilers::provider::Board& board);

}  // namespace gantry::app
