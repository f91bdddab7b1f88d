// Who writes which fields, as the verbs say it to controller/object/managed_fields.hpp.
#pragma once

#include "controller/api/verbs/verbs.hpp"
#include "controller/object/managed_fields.hpp"

namespace gantry::api::verbs {

// manager and target must outlive it.
object::FieldWriter writer_of(const Target& target, const std::string& manager, WallTime now);

}  // namespace gantry::api::verbs
