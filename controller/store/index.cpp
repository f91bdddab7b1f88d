#include "controller/store/index.hpp"

#include <algorithm>

namespace gantry::store {

ObjectPtr Entry::at(Revision revision) const {
  const Version* version = nullptr;
  if (newest_.object->revision() <= revision) {
    version = &newest_;
  } else if (older_) {
    const auto first = older_->versions.begin() + static_cast<std::ptrdiff_t>(older_->head);
    const auto after = std::partition_point(first, older_->versions.end(),
                                            [&](const Version& v) { return v.object->revision() <= revision; });
    if (after != first) version = &*std::prev(after);
  }
  return version && !version->deleted ? version->object : nullptr;
}

void Entry::push(Version version) {
  if (!older_) older_ = std::make_unique<Older>();
  older_->versions.push_back(std::exchange(newest_, std::move(version)));
}

void Entry::prune(Revision floor) {
  if (!older_) return;
  if (newest_.object->revision() <= floor) {
    older_.reset();
    return;
  }
  auto& [versions, head] = *older_;
  // A version is needed while the one after it is still above the floor.
  while (head + 1 < versions.size() && versions[head + 1].object->revision() <= floor) versions[head++].object.reset();
  if (head == versions.size()) {
    older_.reset();
  } else if (head > 16 && head * 2 > versions.size()) {
    versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
  }
}

Entry* Shelf::find(const Key& key) {
  const auto found = entries_.find(key);
  // Entries are const in a set for the sake of their keys, and those never change.
  return found == entries_.end() ? nullptr : const_cast<Entry*>(&*found);
}

const Entry* Shelf::find(const Key& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &*found;
}

ObjectPtr Shelf::apply(const Change& change) { return put(change, true, true); }

bool Shelf::restate(const ObjectPtr& object) {
  Entry* entry = find(object->key());
  if (!entry || entry->newest().deleted || entry->newest().object->revision() != object->revision()) return false;
  live_bytes_ += object->bytes().size();
  live_bytes_ -= entry->newest().object->bytes().size();
  entry->replace({object, false});
  return true;
}

ObjectPtr Shelf::load(const Change& change, bool keep_older) { return put(change, keep_older, false); }

ObjectPtr Shelf::put(const Change& change, bool keep_older, bool ordered) {
  Version version{change.object, change.deleted};
  ObjectPtr before;
  if (Entry* entry = find(change.object->key())) {
    if (entry->newest().deleted) {
      --tombstones_;
    } else {
      before = entry->newest().object;
    }
    if (keep_older) {
      entry->push(std::move(version));
    } else {
      entry->replace(std::move(version));
    }
  } else {
    const std::size_t hash = object::KeyHash()(change.object->key());
    const auto at = entries_.emplace(std::move(version), hash).first;
    if (ordered) order_.insert(const_cast<Entry*>(&*at));
  }
  account(before, change);
  return before;
}

void Shelf::account(const ObjectPtr& before, const Change& change) {
  if (before) {
    --live_;
    live_bytes_ -= before->bytes().size();
  }
  if (change.deleted) {
    ++tombstones_;
  } else {
    ++live_;
    live_bytes_ += change.object->bytes().size();
  }
  changed_at_ = change.revision();
}

void Shelf::finish_load() {
  std::vector<Entry*> entries;
  entries.reserve(entries_.size());
  for (const Entry& entry : entries_) entries.push_back(const_cast<Entry*>(&entry));
  order_.build(std::move(entries));
}

void Shelf::prune(const Key& key, Revision floor) {
  Entry* entry = find(key);
  if (!entry) return;
  entry->prune(floor);
  if (!entry->newest().deleted || entry->newest().object->revision() > floor) return;
  order_.erase(entry);
  entries_.erase(entries_.find(key));
  --tombstones_;
}

Page Shelf::list(const ListOptions& options, Revision now) const {
  Page page;
  page.revision = options.at.value_or(now);
  Order::Position at = options.after_ns.empty() && options.after_name.empty()
                           ? order_.find(options.ns.value_or(std::string()), {})
                           : order_.find(options.after_ns, options.after_name, true);
  const Order::Position end = options.ns ? order_.end_of(*options.ns) : order_.end();
  if (options.ns && options.after_ns < *options.ns) at = order_.find(*options.ns, {});
  if (options.ns && options.after_ns > *options.ns) at = end;
  const bool everything = !options.limit && !options.ns && !options.matches;
  if (everything) page.items.reserve(live_);

  for (; at != end; at = order_.next(at)) {
    const Entry& entry = *order_.at(at);
    ObjectPtr object = changed_at_ <= page.revision ? (entry.newest().deleted ? nullptr : entry.newest().object)
                                                    : entry.at(page.revision);
    if (!object) continue;
    if (options.limit && page.items.size() == options.limit) {
      page.more = true;
      page.remaining = remaining(at, end, page.revision);
      break;
    }
    if (!options.matches || options.matches(*object)) page.items.push_back(std::move(object));
  }
  return page;
}

std::size_t Shelf::remaining(Order::Position from, Order::Position end, Revision at) const {
  if (changed_at_ <= at && tombstones_ == 0) return order_.distance(from, end);
  std::size_t count = 0;
  for (; from != end; from = order_.next(from)) count += order_.at(from)->at(at) != nullptr;
  return count;
}

}  // namespace gantry::store
