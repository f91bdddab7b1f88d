// Asks an instance on this machine how it is: one connection, one question.
#pragma once

#include "controller/base/reactor.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// Healthy: TCP takes the connection; HTTP answers with 200 to 399 (no redirect is followed). Never throws: whatever
// goes wrong is the answer. At most 2 kB of an unhealthy body are kept, printable characters only.
Task<ProbeResult> probe(Reactor& reactor, ProbeSpec spec);

}  // namespace gantry::providers::local
