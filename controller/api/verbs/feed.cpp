#include "controller/api/verbs/feed.hpp"

#include <algorithm>

#include "controller/api/status.hpp"
#include "controller/api/verbs/revisions.hpp"

namespace gantry::api::verbs {
namespace {

using Type = Notice::Type;

constexpr std::size_t kBatch = 256;
constexpr Duration kBookmarkInterval = std::chrono::seconds(60);
constexpr Duration kBookmarkBeforeEnd = std::chrono::seconds(2);
constexpr Duration kLifeMin = std::chrono::minutes(30);  // a watch without timeoutSeconds ends after 30 to 60 minutes

// The same object, said to be of another revision: what a watcher is told when it has left the selection.
ObjectPtr with_revision(const object::Object& object, Revision revision) {
  return std::make_shared<object::Object>(object.key(), revision, object.meta(),
                                          object::encode(object.decode()).with(revision));
}

}  // namespace

Feed::Feed(Plane& plane, const Target& target, const ListQuery& query)
    : plane_(plane),
      open_(plane.feeds),
      resource_(target.served->stored),
      filter_(*target.served, target.ns, query.label_selector, query.field_selector),
      bookmarks_(query.bookmarks) {
  open_->emplace(this, resource_);
}

Task<std::unique_ptr<Feed>> Feed::open(Plane& plane, const Target& target, const ListQuery& query) {
  std::unique_ptr<Feed> feed(new Feed(plane, target, query));
  if (query.revision) co_await wait_for(plane, *query.revision);
  feed->begin(query);
  co_return feed;
}

void Feed::begin(const ListQuery& query) {
  const Instant now = plane_.front.now();
  end_ = now +
         query.timeout.value_or(kLifeMin + Duration(plane_.random.below(static_cast<std::uint64_t>(kLifeMin.count()))));
  if (bookmarks_) next_bookmark_ = std::min(now + kBookmarkInterval, std::max(*end_ - kBookmarkBeforeEnd, now));

  const bool from_state = query.send_initial_events.value_or(query.revision.value_or(0) == 0);
  if (from_state) {
    store::ListOptions options;
    if (!filter_.ns().empty()) options.ns = filter_.ns();
    if (filter_.selects()) options.matches = [this](const object::Object& object) { return filter_.matches(object); };
    auto page = plane_.store.list(resource_, options);
    initial_ = std::move(page.items);
    revision_ = page.revision;
    initial_bookmark_ = query.send_initial_events.value_or(false);
  } else {
    revision_ = query.revision && *query.revision > 0 ? *query.revision : plane_.store.revision();
  }
  try {
    watch_ = plane_.store.watch(resource_, revision_);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Expired) throw;
    failed_ = expired_revision(revision_, plane_.store.oldest_revision());
  }
}

Feed::~Feed() {
  open_->erase(this);
  if (timer_) plane_.front.clock().cancel(*timer_);
}

void Feed::close() {
  closed_ = true;
  if (watch_) watch_->close();
}

void Feed::finish() {
  end_ = plane_.front.now();
  if (watch_) watch_->close();
}

std::vector<Notice> Feed::next_initial() {
  std::vector<Notice> notices;
  const std::size_t count = std::min(kBatch, initial_.size() - initial_told_);
  notices.reserve(count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    ObjectPtr object = std::move(initial_[initial_told_++]);
    const Revision revision = object->revision();
    notices.push_back({Type::Added, std::move(object), nullptr, revision, false});
  }
  if (initial_told_ < initial_.size()) return notices;
  std::vector<ObjectPtr>().swap(initial_);
  initial_told_ = 0;
  if (std::exchange(initial_bookmark_, false)) notices.push_back({Type::Bookmark, nullptr, nullptr, revision_, true});
  return notices;
}

void Feed::select(const store::EventPtr& event, std::vector<Notice>& out) const {
  using Change = store::Event::Type;
  const auto as_it_is = [&](Type type) { out.push_back({type, event->object, event, event->revision, false}); };
  const bool now = filter_.matches(*event->object);
  switch (event->type) {
    case Change::Added:
      if (now) as_it_is(Type::Added);
      return;
    case Change::Deleted:
      if (event->previous ? filter_.matches(*event->previous) : now) as_it_is(Type::Deleted);
      return;
    case Change::Modified:
      break;
  }
  const bool before = !filter_.selects() ? now : event->previous && filter_.matches(*event->previous);
  if (now && before) as_it_is(Type::Modified);
  if (now && !before) out.push_back({Type::Added, event->object, nullptr, event->revision, false});
  if (!now && before)
    out.push_back({Type::Deleted, with_revision(*event->previous, event->revision), nullptr, event->revision, false});
}

void Feed::arm() {
  if (timer_ || !end_) return;
  const Instant when = next_bookmark_ ? std::min(*next_bookmark_, *end_) : *end_;
  timer_ = plane_.front.clock().call_at(plane_.front, when, [this] { wake(); });
}

// The store's watch can be woken only by closing it; next() opens another where it stood.
void Feed::wake() {
  timer_.reset();
  if (watch_) watch_->close();
}

bool Feed::bookmark_due() const { return next_bookmark_ && plane_.front.now() >= *next_bookmark_; }

Notice Feed::bookmark() {
  const Instant now = plane_.front.now();
  // The last one stands shortly before the end; behind it there is none.
  next_bookmark_ = now + kBookmarkInterval;
  if (*next_bookmark_ > *end_ - kBookmarkBeforeEnd) next_bookmark_ = *end_ - kBookmarkBeforeEnd;
  if (*next_bookmark_ <= now) next_bookmark_.reset();
  return {Type::Bookmark, nullptr, nullptr, revision_, false};
}

// What happened while the last batch was sent.
void Feed::tell_rest(std::vector<Notice>& out) {
  ended_ = true;
  for (auto events = watch_->ready(kBatch); !events.empty(); events = watch_->ready(kBatch)) {
    for (const auto& event : events) select(event, out);
  }
  revision_ = std::max(revision_, watch_->revision());
}

Task<std::vector<Notice>> Feed::next() {
  std::vector<Notice> notices;
  if (ended_ || closed_) co_return notices;
  if (!initial_.empty() || initial_bookmark_) co_return next_initial();
  if (failed_) {
    ended_ = true;
    throw *failed_;
  }
  while (!closed_) {
    arm();
    const auto events = co_await watch_->next(kBatch);
    revision_ = std::max(revision_, watch_->revision());
    notices.reserve(events.size());
    for (const auto& event : events) select(event, notices);
    if (bookmark_due()) notices.push_back(bookmark());
    if (closed_) co_return std::vector<Notice>();
    if (watch_->closed()) {
      watch_ = plane_.store.watch(resource_, revision_);
      if (plane_.front.now() >= *end_) {
        tell_rest(notices);
        co_return notices;
      }
    }
    if (!notices.empty()) co_return notices;
  }
  co_return notices;
}

}  // namespace gantry::api::verbs
