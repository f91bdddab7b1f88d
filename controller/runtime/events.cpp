#include "controller/runtime/events.hpp"

#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/base/raw_json.hpp"
#include "controller/runtime/backoff.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("events");
constexpr std::size_t kMessageMax = 1024;
constexpr int kTriesMax = 6;

std::string cut(std::string text) {
  if (text.size() <= kMessageMax) return text;
  std::size_t end = kMessageMax - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

}  // namespace

EventRecorder::EventRecorder(Reactor& reactor, api::Client& client, Random& random, const object::KindTable& kinds,
                             const std::optional<store::Fence>& fence, EventOptions options)
    : reactor_(reactor),
      client_(client),
      random_(random),
      kinds_(kinds),
      fence_(fence),
      options_(options),
      events_(object::Resource::of("", "events")),
      wake_(reactor),
      stop_(reactor),
      gate_(reactor),
      dropped_(metrics::counter("gantry_events_dropped_total", "Events that were not written: too many at once")) {}

void EventRecorder::start() {
  if (!kinds_.find(events_)) return;
  reactor_.spawn(write_all(gate_.enter()));
  reactor_.spawn(sweep_for_ever(gate_.enter()));
}

Task<> EventRecorder::stop() {
  stopping_ = true;
  wake_.notify_all();
  stop_.notify_all();
  co_await gate_.close();
}

bool EventRecorder::allowed(const std::string& uid) {
  const Instant now = reactor_.now();
  if (allowances_.size() > options_.remembered_max) {
    // Whoever has been quiet long enough to have it all again needs no record.
    const Duration full = options_.refill * static_cast<std::int64_t>(options_.burst);
    std::erase_if(allowances_, [&](const auto& entry) { return now - entry.second.at >= full; });
  }
  auto [at, fresh] = allowances_.try_emplace(uid, Allowance{options_.burst, now});
  Allowance& allowance = at->second;
  const double refilled =
      static_cast<double>((now - allowance.at).count()) / static_cast<double>(options_.refill.count());
  allowance.tokens = std::min(options_.burst, allowance.tokens + refilled);
  allowance.at = now;
  if (allowance.tokens < 1) return false;
  allowance.tokens -= 1;
  return true;
}

void EventRecorder::record(const object::Object& about, const EventNote& note) {
  const object::KindPtr kind = kinds_.find(about.key().resource);
  if (!kind || stopping_) return;
  const std::string message = cut(log::redacted(note.message));
  const std::string id = about.meta().uid + "\n" + note.reason + "\n" + message;
  const auto known = entries_.find(id);
  const bool waits = known != entries_.end() && known->second.queued;
  if (!waits && (queue_.size() >= options_.pending_max || !allowed(about.meta().uid))) {
    dropped_.add();
    return;
  }
  if (known == entries_.end()) forget_some();
  Entry& entry = entries_[id];
  const WallTime now = reactor_.clock().wall();
  if (entry.count == 0) {
    const std::string ns = about.key().ns.empty() ? std::string("default") : about.key().ns;
    entry.key = {events_, ns, about.key().name + "." + random_.hex(8)};
    json::Object involved{{"apiVersion", kind->api_version()},
                          {"kind", kind->kind},
                          {"name", about.key().name},
                          {"resourceVersion", std::to_string(about.revision())},
                          {"uid", about.meta().uid}};
    if (!about.key().ns.empty()) involved.set("namespace", about.key().ns);
    entry.event = json::Object{{"apiVersion", "v1"},
                               {"firstTimestamp", format_time(now)},
                               {"involvedObject", std::move(involved)},
                               {"kind", "Event"},
                               {"message", message},
                               {"metadata", json::Object{{"name", entry.key.name}, {"namespace", ns}}},
                               {"reason", note.reason},
                               {"reportingComponent", "gantry"},
                               {"reportingInstance", ""},
                               {"source", json::Object{{"component", "gantry"}}},
                               {"type", note.warning ? "Warning" : "Normal"}};
  }
  ++entry.count;
  entry.last = now;
  if (std::exchange(entry.queued, true)) return;
  queue_.push_back(id);
  wake_.notify_one();
}

void EventRecorder::forget_some() {
  if (entries_.size() < options_.remembered_max) return;
  std::vector<WallTime> times;
  for (const auto& [id, entry] : entries_) times.push_back(entry.last);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  std::erase_if(entries_, [&](const auto& known) { return !known.second.queued && known.second.last <= *middle; });
}

Task<> EventRecorder::write_all(Gate::Pass pass) {
  while (!stopping_) {
    if (queue_.empty()) {
      co_await wake_.wait();
      continue;
    }
    const std::string id = std::move(queue_.front());
    queue_.pop_front();
    for (unsigned tries = 1; !stopping_ && !co_await write(id); ++tries) {
      if (tries >= kTriesMax) {
        dropped_.add();
        entries_.erase(id);
        break;
      }
      co_await pause(backoff_delay(random_, {}, tries));
    }
  }
}

// False when it should be tried again.
Task<bool> EventRecorder::write(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return true;
  Entry& entry = found->second;  // stays where it is while queued: nothing erases it
  const std::int64_t count = entry.count;
  const bool create = entry.written == 0;
  json::Value body = create ? entry.event : json::Value(json::Object{});
  body["count"] = count;
  body["lastTimestamp"] = format_time(entry.last);

  std::optional<Error> failure;
  try {
    api::WriteOptions options;
    options.fence = fence_;
    if (create) {
      co_await client_.create(events_, std::move(body), options);
    } else {
      co_await client_.patch(entry.key, api::PatchType::Merge, std::move(body), options);
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (failure && failure->code() == ErrorCode::AlreadyExists && create) failure.reset();  // an answer was lost
  if (failure && !create && failure->code() == ErrorCode::NotFound) {
    // It was swept away: this is news again.
    entry.written = 0;
    entry.count = 1;
    entry.key.name = entry.key.name.substr(0, entry.key.name.rfind('.') + 1) + random_.hex(8);
    entry.event["metadata"]["name"] = entry.key.name;
    entry.event["firstTimestamp"] = format_time(entry.last);
    co_return false;
  }
  if (failure && failure->retryable() && failure->code() != ErrorCode::Cancelled) co_return false;
  entry.queued = false;
  if (failure) {
    kLog.debug("an event was not accepted", {{"event", entry.key.name}, {"error", failure->message()}});
    entries_.erase(id);
    co_return true;
  }
  entry.written = count;
  if (entry.count != count) {
    entry.queued = true;
    queue_.push_back(id);
  }
  co_return true;
}

// True when it was cut short by stop().
Task<bool> EventRecorder::pause(Duration duration) {
  const Instant until = reactor_.now() + duration;
  while (!stopping_ && reactor_.now() < until) co_await stop_.wait_until(until);
  co_return stopping_;
}

Task<> EventRecorder::sweep_for_ever(Gate::Pass pass) {
  while (!co_await pause(options_.sweep_every)) {
    std::string failure;
    try {
      co_await sweep();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty() && !stopping_) kLog.warn("cannot remove old events; trying again later", {{"error", failure}});
  }
}

Task<> EventRecorder::sweep() {
  const std::string oldest = format_time(reactor_.clock().wall() - options_.lifetime);
  api::ListOptions options;
  options.limit = 500;
  do {
    const api::List page = co_await client_.list(events_, options);
    for (const auto& event : page.items) {
      // A series goes on after its first time; what newer recorders write has no lastTimestamp.
      std::string_view last = json::raw_at(event->bytes(), {"series", "lastObservedTime"});
      if (last.size() < 2 || last.front() != '"') last = json::raw_at(event->bytes(), {"lastTimestamp"});
      if (last.size() < 2 || last.front() != '"')
        last = json::raw_at(event->bytes(), {"metadata", "creationTimestamp"});
      // RFC 3339 in UTC sorts as text.
      if (last.size() < 2 || last.substr(1, last.size() - 2) >= oldest) continue;
      api::Preconditions exactly;
      exactly.uid = event->meta().uid;
      exactly.revision = event->revision();
      exactly.fence = fence_;
      try {
        co_await client_.remove(event->key(), exactly);
      } catch (const Error& error) {
        // Gone already, or counted up just now.
        if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::Conflict) throw;
      }
      if (stopping_) co_return;
    }
    options.continue_token = page.continue_token;
  } while (!options.continue_token.empty() && !stopping_);
}

}  // namespace gantry::runtime
