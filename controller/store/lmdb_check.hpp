// Looks over an LMDB file before LMDB does. LMDB trusts every page it reads: one flipped bit can make it crash, answer
// from an older state, or give away pages that are in use. Row contents are not looked at: rows carry checksums.
#pragma once

#include <string>

namespace gantry::store {

// Throws Error(Internal) that says what is wrong. A file that is no LMDB file of ours passes: opening it will tell.
void check_lmdb_file(const std::string& path);

}  // namespace gantry::store
