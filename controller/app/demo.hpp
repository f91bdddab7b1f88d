// `gantry demo`: the small web server of manifests/quickstart, so that a first App needs nothing but this binary. It
// listens on $PORT, serves page.html of its working directory with {{greeting}}, {{instance}}, {{slot}}, {{pid}} and
// {{secret}} filled in, answers /healthz and, after N seconds, /slow?seconds=N, and ends cleanly at SIGTERM.
#pragma once

namespace gantry::app {

// Returns the exit code. Blocks until a signal.
int run_demo();

}  // namespace gantry::app
