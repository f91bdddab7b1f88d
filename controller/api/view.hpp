// How objects that are stored once are served in more than one form: in further versions of a custom kind, or as
// events.k8s.io beside v1. A request sees them through the view of its version, is worked on wholly in that form
// (schema, defaults, rules, managed fields), and what it writes is changed back on its way to the store.
// Immutable; front reactor.
#pragma once

#include <memory>

#include "controller/object/kind.hpp"

namespace gantry::api {

class View {
 public:
  virtual ~View() = default;
  // From how an object is stored to this form. Must take whatever was stored, however old.
  virtual void show(json::Value& object) const = 0;
  // And back.
  virtual void store(json::Value& object) const = 0;
};

// One of several versions of a custom kind, under the conversion strategy None: versions differ by their schemas and by
// nothing else, so what is shown is what this version's schema knows, with its defaults. That holds for the storage
// version as well.
std::shared_ptr<const View> version_view(const object::KindPtr& kind, const object::Kind& storage);

}  // namespace gantry::api
