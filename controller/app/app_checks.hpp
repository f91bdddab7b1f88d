// Has every App judged at admission by what its schema cannot say, against all others too.
#pragma once

#include "controller/api/api.hpp"
#include "controller/store/store.hpp"

namespace gantry::app {

// store must outlive api; the check runs on the front.
void refuse_impossible_apps(api::Api& api, const store::Store& store);

}  // namespace gantry::app
