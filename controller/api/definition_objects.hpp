// What a change of a definition does to the objects of its kind. Front reactor; page by page, so that others are served
// in between. `closed` ends it early; it must outlive the task, as must plane.
#pragma once

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

// What was stored before `before` was written under an older schema: seen through the new one from now on, as if it had
// been read so.
Task<> read_again(Plane& plane, ServedPtr served, Revision before, const bool& closed);

// Deletes what is there of a kind; the number of those still there.
Task<std::size_t> empty_out(Plane& plane, ServedPtr served, const bool& closed);

}  // namespace gantry::api
