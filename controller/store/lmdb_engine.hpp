// The engine of the embedded store: one LMDB environment, rows keyed by revision and only ever appended.
#pragma once

#include <memory>
#include <string>

#include "controller/store/engine.hpp"

namespace gantry::store {

// folder must exist and be locked by the caller. A folder without data becomes an empty store.
// Throws Error(Invalid) for a file that is not a store of ours or of a newer version, Error(Internal) for a damaged
// one.
std::unique_ptr<Engine> open_lmdb_engine(const std::string& folder);

}  // namespace gantry::store
