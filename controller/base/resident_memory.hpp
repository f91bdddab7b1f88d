// What only the start of a long-running process needed, given back to the kernel.
#pragma once

namespace gantry {

// Drops this process's clean pages of programs and libraries: the kernel reads those that are used again from its file
// cache. Of an idle controller that is most of what was resident. Takes a few milliseconds; any thread; never fails.
void release_clean_pages();

}  // namespace gantry
