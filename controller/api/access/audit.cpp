#include "controller/api/access/audit.hpp"

#include <algorithm>
#include <mutex>

#include "controller/base/digest.hpp"
#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"
#include "controller/base/random.hpp"
#include "controller/base/rotating_file.hpp"
#include "controller/object/characters.hpp"

namespace gantry::api::access {
namespace {

const log::Logger kLog("audit");
constexpr std::size_t kAgentMax = 256, kPathMax = 2048;
constexpr double kStrangersAtOnce = 60, kStrangersASecond = 1;

bool only_looks(std::string_view verb) { return verb == "get" || verb == "list" || verb == "watch"; }

json::Object user_of(const User& user) {
  if (user.name.empty()) return {};  // a stranger
  json::Object out{{"username", user.name}, {"groups", json::Array(user.groups.begin(), user.groups.end())}};
  if (!user.uid.empty()) out.set("uid", user.uid);
  return out;
}

std::string digest_of(const object::Object& object, const Secret& key) {
  if (object.key().resource.qualified() == "secrets")
    return "hmac-sha256:" + hmac_sha256_hex(key.reveal(), object.bytes());
  return "sha256:" + sha256_hex(object.bytes());
}

json::Value line_of(const AuditRecord& record, const Secret& key) {
  json::Object event{{"apiVersion", "audit.k8s.io/v1"},
                     {"auditID", system_random().uuid()},
                     {"kind", "Event"},
                     {"level", "Metadata"},
                     {"requestReceivedTimestamp", format_micro_time(record.received)},
                     {"requestURI", record.path},
                     {"responseStatus", json::Object{{"code", record.code}}},
                     {"sourceIPs", json::Array{record.source}},
                     {"stage", "ResponseComplete"},
                     {"stageTimestamp", format_micro_time(record.received + record.took)},
                     {"user", user_of(record.impersonator ? *record.impersonator : record.user)},
                     {"userAgent", record.agent},
                     {"verb", record.verb}};
  if (record.impersonator) event.set("impersonatedUser", user_of(record.user));
  if (!record.resource.empty()) {
    json::Object ref{{"apiVersion", record.version}, {"resource", record.resource}};
    const auto add = [&](std::string_view field, const std::string& text) {
      if (!text.empty()) ref.set(field, text);
    };
    add("apiGroup", record.group);
    add("subresource", record.subresource);
    add("namespace", record.ns);
    add("name", record.name);
    if (const auto& object = record.after ? record.after : record.before) {
      add("uid", object->meta().uid);
      add("resourceVersion", std::to_string(object->revision()));
      ref.set("name", object->key().name);
    }
    event.set("objectRef", std::move(ref));
  }
  json::Object notes{
      {"authorization.k8s.io/decision", record.code == 403 || record.code == 401 ? "forbid" : "allow"},
      {"gantry.dev/latency",
       std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(record.took).count()) + "us"}};
  if (record.before) notes.set("gantry.dev/before", digest_of(*record.before, key));
  if (record.after) notes.set("gantry.dev/after", digest_of(*record.after, key));
  event.set("annotations", std::move(notes));
  return event;
}

}  // namespace

struct AuditLog::Parts {
  Parts(Blocking& blocking_, Options options_)
      : blocking(blocking_),
        options(std::move(options_)),
        file(options.path, options.bytes_max, options.files_max),
        written(metrics::counter("gantry_audit_records_total", "Records written to the audit log.")),
        dropped(metrics::counter("gantry_audit_dropped_total",
                                 "Records that the audit log could not take: its queue was full, or the disk.")),
        skipped(metrics::counter("gantry_audit_strangers_skipped_total",
                                 "Refused strangers (401) that were not written down: too many at once.")) {}

  // On a helper's thread; one at a time.
  static void drain(const std::shared_ptr<Parts>& parts) {
    while (true) {
      std::vector<AuditRecord> batch;
      {
        const std::lock_guard lock(parts->mutex);
        batch.swap(parts->queue);
        if (batch.empty()) {
          parts->draining = false;
          return;
        }
      }
      std::string text;
      for (const auto& record : batch) {
        json::dump_to(text, line_of(record, parts->options.key));
        text += '\n';
      }
      parts->write(text, batch.size());
    }
  }

  void write(const std::string& text, std::size_t records) {
    try {
      file.append(text);
      written.add(static_cast<double>(records));
      failing = false;
    } catch (const Error& error) {  // a full disk must not stop the house; the metric tells
      dropped.add(static_cast<double>(records));
      if (!std::exchange(failing, true)) kLog.error("the audit log cannot be written", {{"error", error.message()}});
    }
  }

  Blocking& blocking;
  const Options options;
  RotatingFile file;
  metrics::Counter written, dropped, skipped;
  bool failing = false;  // the helper's
  std::mutex mutex;
  std::vector<AuditRecord> queue;
  bool draining = false;
};

AuditRecord record_of(const HttpRequest& request) {
  AuditRecord record;
  if (request.user) record.user = *request.user;
  record.source = request.peer;
  if (const std::string* agent = request.header("user-agent")) record.agent = agent->substr(0, kAgentMax);
  record.verb = object::lower_ascii(request.method);
  record.path = request.path.substr(0, kPathMax);
  return record;
}

AuditLog::AuditLog(Blocking& blocking, Options options)
    : parts_(std::make_shared<Parts>(blocking, std::move(options))) {}

// What is queued is still written: the helper holds on to it.
AuditLog::~AuditLog() = default;

bool AuditLog::wants(std::string_view verb, std::string_view resource, int code) const {
  if (parts_->options.reads || code == 403 || code == 401) return true;
  if (only_looks(verb)) return resource == "secrets";
  return !resource.ends_with("reviews") && resource != "plans";
}

// A bucket that fills again by the second.
bool AuditLog::has_room_for_stranger(WallTime now) {
  const double passed = std::chrono::duration<double>(now - strangers_at_).count();
  strangers_ = std::min(kStrangersAtOnce, strangers_ + std::max(0.0, passed) * kStrangersASecond);
  strangers_at_ = now;
  if (strangers_ < 1) return false;
  strangers_ -= 1;
  return true;
}

void AuditLog::record(AuditRecord record) {
  if (record.code == 401 && !has_room_for_stranger(record.received + record.took)) {
    parts_->skipped.add();
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(parts_->mutex);
    if (parts_->queue.size() >= parts_->options.queue_max) {
      parts_->dropped.add();
      return;
    }
    parts_->queue.push_back(std::move(record));
    wake = !std::exchange(parts_->draining, true);
  }
  if (wake) parts_->blocking.submit([parts = parts_] { Parts::drain(parts); });
}

Task<> AuditLog::flush(Reactor& here) {
  while (true) {
    {
      const std::lock_guard lock(parts_->mutex);
      if (!parts_->draining) co_return;
    }
    co_await sleep_for(here, std::chrono::milliseconds(5));
  }
}

}  // namespace gantry::api::access
