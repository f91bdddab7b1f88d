// `gantry supervise --dir DIR/instances/<id>`: one small process that stands beside each process instance, so that it
// outlives the controller and yet has a parent that reads its output and learns how it ended. See instance_files.hpp
// for what it reads and writes. Called by main before anything else: it starts no thread and no event loop of ours.
#pragma once

namespace gantry::providers::local {

// SIGTERM: the instance is asked to end, and killed after its grace. Exit codes: 0 the instance has ended and
// state.json says how; 64 wrong arguments; 75 another supervisor has this instance; 76 this instance has run already;
// 74 its folder cannot be read or written.
int supervise_main(int argc, char** argv);

}  // namespace gantry::providers::local
