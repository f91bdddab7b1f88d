// What the store keeps for one resource.
#pragma once

#include "controller/base/metrics.hpp"
#include "controller/store/store_core.hpp"

namespace gantry::store {

struct EmbeddedStore::Room {
  explicit Room(Ring& ring_, const std::string& resource)
      : ring(&ring_),
        objects(metrics::gauge("gantry_store_objects", "Objects in the store.", {{"resource", resource}})) {}
  Shelf shelf;
  Ring* ring;
  metrics::Gauge objects;
  bool touched = false;  // by the batch that is being published
};

}  // namespace gantry::store
