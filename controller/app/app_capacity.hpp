// Has the limits of all Apps of this machine judged at admission: their sum must fit, less a reserve.
#pragma once

#include "controller/api/api.hpp"
#include "controller/store/store.hpp"
#include "reconcilers/app/capacity.hpp"

namespace gantry::app {

// What this machine has. A tenth of its memory (256Mi at least) is kept for itself, and no CPU, which may be promised
// twice, unless told otherwise ("512Mi", "100m"; empty: nobody said): who reserves CPU wants it promised once. Throws
// Error(Invalid) for what is no quantity. Blocks.
reconcilers::app::Capacity capacity_of_this_machine(const std::string& reserve_cpu, const std::string& reserve_memory);

// store must outlive api; the check runs on the front.
void refuse_overcommitment(api::Api& api, const store::Store& store, reconcilers::app::Capacity capacity);

}  // namespace gantry::app
