// Refuses, at admission, an object that would come to depend on itself: nobody in such a ring could ever be made.
#pragma once

#include "controller/api/api.hpp"

namespace gantry::runtime {

// Registers the check for every kind of ours. kinds and store must outlive api; the check runs on the front.
void refuse_cycles(api::Api& api, const object::KindTable& kinds, const store::Store& store);

}  // namespace gantry::runtime
