#include "controller/base/resident_memory.hpp"

#include <mimalloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#pragma weak mi_option_set  // absent where the allocator is another one

namespace gantry {
namespace {

// In milliseconds.
#if MI_MALLOC_VERSION < 210
constexpr mi_option_t kDelay = mi_option_decommit_delay;
#else
constexpr mi_option_t kDelay = mi_option_purge_delay;
#endif
constexpr long kMoment = 25;

struct Mapping {
  std::uintptr_t start = 0, end = 0;
  bool fixed = false;    // private, of a file, and not writable
  bool changed = false;  // relocated at the start, say: those pages exist nowhere else
};

void release(const Mapping& mapping) {
  if (mapping.fixed && !mapping.changed)
    ::madvise(reinterpret_cast<void*>(mapping.start), mapping.end - mapping.start, MADV_DONTNEED);
}

}  // namespace

void release_clean_pages() {
  std::ifstream maps("/proc/self/smaps");  // proc(5)
  Mapping here;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t start = 0, end = 0;
    char mode[5] = {};
    long kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, mode) == 3) {
      release(here);
      here = {start, end, mode[1] == '-' && mode[3] == 'p' && line.find(" /") != std::string::npos};
    } else if (std::sscanf(line.c_str(), "Anonymous: %ld", &kilobytes) == 1) {
      here.changed = kilobytes > 0;
    }
  }
  release(here);
}

void release_freed_pages_at_once(bool at_once) {
  if (&mi_option_set != nullptr) mi_option_set(kDelay, at_once ? 0 : kMoment);
}

}  // namespace gantry
