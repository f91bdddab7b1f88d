// A watch as the API means it, before anybody writes it down: the synthetic first events, selection with its
// transitions, bookmarks and an end in time. Front reactor.
#pragma once

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::verbs {

struct Notice {
  enum class Type { Added, Modified, Deleted, Bookmark };
  Type type = Type::Added;
  ObjectPtr object;       // null for a bookmark
  store::EventPtr event;  // when set, its frame says exactly this and may be sent as it is
  Revision revision = 0;
  bool initial_end = false;  // the bookmark behind the synthetic events, when they were asked for
};

class Feed {
 public:
  // Throws what is answered before the stream begins: bad selectors, a revision from the future.
  static Task<std::unique_ptr<Feed>> open(Plane& plane, const Target& target, const ListQuery& query);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Waits for at least one notice; empty: over. Throws Error(Expired) when the history is gone.
  Task<std::vector<Notice>> next();
  // Everything up to here has been told.
  Revision revision() const { return revision_; }
  void close();
  // Tells what has happened up to here, then ends: the kind is served no longer.
  void finish();

 private:
  Feed(Plane& plane, const Target& target, const ListQuery& query);
  void begin(const ListQuery& query);
  std::vector<Notice> next_initial();
  void select(const store::EventPtr& event, std::vector<Notice>& out) const;
  void tell_rest(std::vector<Notice>& out);
  void arm();
  void wake();
  bool bookmark_due() const;
  Notice bookmark();

  Plane& plane_;
  std::shared_ptr<OpenFeeds> open_;
  object::Resource resource_;
  Filter filter_;
  std::unique_ptr<store::Watch> watch_;
  Revision revision_ = 0;
  std::optional<Error> failed_;  // told by the first next()

  std::vector<ObjectPtr> initial_;
  std::size_t initial_told_ = 0;
  bool initial_bookmark_ = false;

  bool bookmarks_ = false;
  bool closed_ = false;
  bool ended_ = false;
  std::optional<Instant> end_, next_bookmark_;
  std::optional<Clock::TimerId> timer_;
};

}  // namespace gantry::api::verbs
