#include "providers/local/image_ledger.hpp"

#include <algorithm>
#include <array>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::array<std::string_view, 3> kKinds{"pulled", "carried", "layer"};
constexpr std::size_t kFileMax = 16 << 20;

}  // namespace

Task<> ImageLedger::open() {
  const auto text = co_await blocking_.run(reactor_, [path = path_] { return read_small(path, kFileMax); });
  if (!text) co_return;
  try {
    const json::Value all = json::parse(*text);
    for (const auto& one : all.as_array()) {
      const auto kind = std::ranges::find(kKinds, one.string_or("kind"));
      if (kind == kKinds.end()) continue;
      entries_[one.string_or("name")] = {static_cast<Kind>(kind - kKinds.begin()), one.string_or("digest"),
                                         parse_time(one.string_or("needed")), ++last_};
    }
  } catch (const Error& error) {
    log_.warn("what was pulled earlier is not known any more, and stays", {{"file", path_}, {"error", error.what()}});
    entries_.clear();
  }
}

Task<> ImageLedger::write() {
  std::vector<std::pair<std::string, Entry>> sorted(entries_.begin(), entries_.end());
  std::ranges::sort(sorted, {}, [](const auto& one) { return one.second.order; });
  json::Array all;
  for (const auto& [name, entry] : sorted) {
    all.push_back(json::Object{{"kind", kKinds[static_cast<std::size_t>(entry.kind)]},
                               {"name", name},
                               {"digest", entry.digest},
                               {"needed", format_time(entry.needed)}});
  }
  co_await blocking_.run(reactor_, [path = path_, text = json::dump(json::Value(std::move(all)))] {
    files::write_file_atomically(path, text, 0600);
  });
}

Task<> ImageLedger::note(std::string name, Entry entry) {
  entry.needed = reactor_.clock().wall();
  const auto known = entries_.find(name);
  entry.order = known == entries_.end() ? ++last_ : known->second.order;
  entries_[name] = std::move(entry);
  co_await write();
}

Task<> ImageLedger::pulled(std::string reference, std::string digest) {
  co_await note(reference + " " + digest, {.kind = Kind::Pulled, .digest = digest});
}

Task<> ImageLedger::carried(std::string name) { co_await note(std::move(name), {.kind = Kind::Carried}); }

Task<> ImageLedger::left_by_build(std::vector<std::string> layers) {
  for (const auto& layer : layers) co_await note(layer, {.kind = Kind::Layer});
}

bool ImageLedger::is_needed(const std::string& name, const Entry& entry, const Needed& needed) {
  switch (entry.kind) {
    case Kind::Pulled:
      return needed.images.contains(entry.digest) || needed.images.contains(name.substr(0, name.find(' ')));
    case Kind::Carried: {
      // gantry.local/<namespace>/<app>:<the first half of its key>
      const std::string half = name.substr(name.rfind(':') + 1);
      const auto key = needed.keys.lower_bound(half);
      return key != needed.keys.end() && key->starts_with(half);
    }
    case Kind::Layer:
      break;
  }
  return false;
}

Task<bool> ImageLedger::remove(DockerEngine& engine, std::string name, Entry entry) {
  std::optional<Error> failure;
  try {
    std::string path = name;
    if (entry.kind == Kind::Pulled) {
      // The tag may have moved since, and then it is another image's.
      const std::string reference = name.substr(0, name.find(' '));
      const std::string now = co_await find_image(engine, reference);
      path = now == entry.digest ? reference : entry.digest;
    }
    co_await engine.call("removing an image that nothing needs", "DELETE",
                         "/images/" + path + (entry.kind == Kind::Layer ? "?noprune=1" : ""));
    log_.info("an image that nothing needs was removed", {{"image", name}});
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure || failure->code() == ErrorCode::NotFound) co_return true;
  if (failure->code() == ErrorCode::Unavailable || failure->code() == ErrorCode::Timeout) throw *failure;
  // A layer that became part of an image that was built since goes with that one.
  if (entry.kind == Kind::Layer && failure->code() == ErrorCode::Conflict) co_return true;
  if (failure->code() != ErrorCode::Conflict)  // something runs from it
    log_.warn("an image could not be removed", {{"image", name}, {"error", failure->what()}});
  co_return false;
}

Task<> ImageLedger::sweep(DockerEngine& engine, Needed needed, Duration unused) {
  const WallTime now = reactor_.clock().wall();
  std::vector<std::pair<std::string, Entry>> due;
  bool changed = false;
  for (auto& [name, entry] : entries_) {
    if (is_needed(name, entry, needed)) {
      // To the hour: it is written down.
      changed = changed || now - entry.needed > std::chrono::hours(1);
      if (now - entry.needed > std::chrono::hours(1)) entry.needed = now;
    } else if (now - entry.needed >= unused) {
      due.emplace_back(name, entry);
    }
  }
  // The newest first: a layer goes before the one that it lies on.
  std::ranges::sort(due, std::greater{}, [](const auto& one) { return one.second.order; });
  std::optional<Error> failure;
  try {
    for (const auto& [name, entry] : due) {
      if (!co_await remove(engine, name, entry)) continue;
      entries_.erase(name);
      changed = true;
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (changed) co_await write();
  if (failure) throw *failure;
}

}  // namespace gantry::providers::local
