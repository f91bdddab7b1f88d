// What a long-running process needs no more, given back to the kernel.
#pragma once

namespace gantry {

// Drops this process's clean pages of programs and libraries: the kernel reads those that are used again from its file
// cache. Of an idle controller that is most of what was resident. Takes a few milliseconds; any thread; never fails.
void release_clean_pages();

// What is freed goes back to the kernel at once, or, while much is made and freed again, only after a moment. mimalloc
// always waits until more is freed nearby, so that what a burst took (each of 5,000 TLS handshakes 50 KiB) stayed for
// as long as nothing happened; but giving back at once costs a tenth of all creates (docs/bench.md). At first: after a
// moment. Any thread; nothing with another allocator.
void release_freed_pages_at_once(bool at_once);

}  // namespace gantry
