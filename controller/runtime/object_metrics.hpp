// What /metrics tells of single objects: their conditions, and how far their status lags behind their spec. Read from
// the caches at each scrape, so that nobody pays for it in between and a restart loses nothing. All objects are
// counted; those with series of their own are limited in number, and what is not well comes first.
// The loop's reactor.
#pragma once

#include <cstddef>
#include <string>

#include "controller/base/reactor.hpp"
#include "controller/base/task.hpp"
#include "controller/object/kind.hpp"

namespace gantry::runtime {

class Informers;

// In the text exposition format. per_kind: how many objects of one kind get series of their own.
Task<std::string> object_metrics(Reactor& loop, const Informers& informers, const object::KindTable& kinds,
                                 std::size_t per_kind = 5000);

}  // namespace gantry::runtime
