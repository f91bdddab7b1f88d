// `gantry git-work`: one git operation in a process of its own, which is told what to do on its standard input and
// answers on its standard output, JSON both. For libgit2 has no deadline for a server that falls silent, keeps some
// memory of every fetch (each configuration entry that a pattern does not match costs 20 KiB), and reads what strangers
// send: a process can be ended, and takes all of that with it.
#pragma once

#include <string>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"

namespace gantry::providers::source {

int git_work_main();

// Runs it and answers what it answered. Blocks. Throws the Error that it told of; Error(Timeout) when it was ended for
// taking longer than `limit`; Error(Unavailable) when it cannot be started, or died.
json::Value do_git_work(const json::Value& order, Duration limit);

}  // namespace gantry::providers::source
