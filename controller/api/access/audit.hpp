// Who did what: one line of JSON (audit.k8s.io/v1 Event, level Metadata) for each write, each refusal and each look at
// a Secret, or for every request. Strangers (401) are written down at a bounded rate, so that nobody can push out what
// others did; the rest of them is counted in gantry_audit_strangers_skipped_total. A line names the objects before and
// after by their digests and holds no body; a Secret's digest is keyed, so that its value cannot be guessed from it.
//
// record() is called on the front and never waits: lines are made and written by a helper, from a bounded queue. What
// does not fit is dropped, and counted in gantry_audit_dropped_total.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/api/handler.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/secret.hpp"

namespace gantry::api::access {

struct AuditRecord {
  WallTime received;
  Duration took{};
  User user;  // who the request counts for
  std::optional<User> impersonator;
  std::string source;  // address of the peer
  std::string agent;   // User-Agent
  std::string verb, path;
  std::string group, version, resource, subresource, ns, name;
  int code = 0;
  object::ObjectPtr before, after;  // what a write took the place of, and what it left
};

// What a request says of itself, and who it is from.
AuditRecord record_of(const HttpRequest& request);

class AuditLog {
 public:
  struct Options {
    std::string path;
    std::size_t bytes_max = 100 << 20;  // of one file
    std::size_t files_max = 10;         // older ones are kept as PATH.1 ...
    bool reads = false;                 // also what only looks
    std::size_t queue_max = 16'384;     // records
    Secret key;                         // for the digests of Secrets
  };
  // Throws Error when the file cannot be opened. blocking must outlive it.
  AuditLog(Blocking& blocking, Options options);
  ~AuditLog();

  bool wants(std::string_view verb, std::string_view resource, int code) const;
  void record(AuditRecord record);
  // Returns when all that was recorded before has been written.
  Task<> flush(Reactor& here);

 private:
  bool has_room_for_stranger(WallTime now);

  struct Parts;
  std::shared_ptr<Parts> parts_;
  double strangers_ = 0;  // that may be written down now
  WallTime strangers_at_{};
};

}  // namespace gantry::api::access
