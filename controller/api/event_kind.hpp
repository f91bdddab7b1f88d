// Event, in its two forms over one storage: core/v1, and events.k8s.io/v1, which has other names for some of the same
// fields and which newer recorders write. The rules are those of Kubernetes (pkg/apis/core/validation/events.go).
#pragma once

#include <memory>
#include <vector>

#include "controller/api/view.hpp"
#include "controller/base/error.hpp"

namespace gantry::api {

struct Served;

// The kind Event of events.k8s.io/v1, from that of core/v1.
object::KindPtr events_group_kind(const object::Kind& core);
std::shared_ptr<const View> events_group_view();

// Of either form; old is null on create.
void check_event(const Served& served, const json::Value& event, const json::Value* old,
                 std::vector<FieldError>& causes);

}  // namespace gantry::api
