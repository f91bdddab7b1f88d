// What a long-running process needs no more, given back to the kernel.
#pragma once

namespace gantry {

// Drops this process's clean pages of programs and libraries: the kernel reads those that are used again from its file
// cache. Of an idle controller that is most of what was resident. Takes a few milliseconds; any thread; never fails.
void release_clean_pages();

// From now on what is freed goes back at once. mimalloc would wait until more is freed near it, so that what a burst took
// (each of 5,000 TLS handshakes 50 KiB) stayed for as long as nothing happens; creates are no slower for it
// (docs/bench.md). For the start of main; nothing with another allocator.
void release_freed_pages_at_once();

}  // namespace gantry
