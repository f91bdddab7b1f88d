// The durable floor of the store: rows keyed by revision, and three counters. It knows nothing of objects.
// One call of commit() at a time; scan() may run beside it. All calls may block and come from helper threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "controller/object/key.hpp"

namespace gantry::store {

using object::Revision;

struct Row {
  Revision revision = 0;
  std::string_view value;
};

struct Counters {
  Revision last = 0;         // the newest ever given to a row; never given again, even when that row is compacted away
  Revision floor = 0;        // rows at or below it may have been compacted; above it all are there
  std::uint64_t key_id = 0;  // of the secrets key; 0: nothing was ever encrypted
};

struct Commit {
  std::span<const Row> rows;       // ascending, all above counters.last of the commit before
  std::span<const Revision> dead;  // rows that nobody can ask for any more
  Counters counters;
};

struct Outcome {
  enum class Kind {
    Durable,
    Full,    // nothing was written; may work later
    Broken,  // nobody knows what is on the disk: no further commit may be tried
  };
  Kind kind = Kind::Durable;
  std::string reason;
};

// What a scan finds: first the counters, then every row in revision order, all of one moment.
class RowVisitor {
 public:
  virtual ~RowVisitor() = default;
  virtual void begin(const Counters& counters) = 0;
  virtual void row(const Row& row) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Counters counters() const = 0;  // as last committed; not beside a commit
  // Throws Error(Internal) when what is stored is not what was written.
  virtual void scan(RowVisitor& visitor) = 0;
  // All of it or nothing; returns when it is on the disk.
  virtual Outcome commit(const Commit& commit) = 0;
  virtual std::uint64_t bytes() const = 0;  // on the disk
};

}  // namespace gantry::store
