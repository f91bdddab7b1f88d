// The state of one resource at every revision of the window: found by hash, listed in order of namespace and name.
// An entry keeps its newest version inline and older ones only as long as the window needs them.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "controller/store/change.hpp"
#include "controller/store/store.hpp"

namespace gantry::store {

struct Version {
  ObjectPtr object;
  bool deleted = false;
};

class Entry {
 public:
  Entry(Version newest, std::size_t hash) : newest_(std::move(newest)), hash_(hash) {}

  const Key& key() const { return newest_.object->key(); }
  std::size_t hash() const { return hash_; }
  const Version& newest() const { return newest_; }
  // Null when there was no such object at that revision.
  ObjectPtr at(Revision revision) const;

  void push(Version version);
  void replace(Version version) { newest_ = std::move(version); }
  // Drops what only readers before `floor` could ask for.
  void prune(Revision floor);

 private:
  struct Older {
    std::vector<Version> versions;  // ascending; those before head are gone
    std::size_t head = 0;
  };
  Version newest_;
  std::size_t hash_;
  std::unique_ptr<Older> older_;
};

// The entries of one resource in order: short sorted runs, so that inserting moves little and reading ahead is cheap.
class Order {
 public:
  struct Position {
    std::size_t run = 0;
    std::size_t offset = 0;
    bool operator==(const Position&) const = default;
  };

  void insert(Entry* entry);
  void erase(const Entry* entry);
  // Replaces everything; entries need not be sorted.
  void build(std::vector<Entry*> entries);

  // The first entry at or behind (ns, name); with `behind`, the first that is truly behind it.
  Position find(std::string_view ns, std::string_view name, bool behind = false) const;
  // The first entry behind everything in ns.
  Position end_of(std::string_view ns) const;
  Position end() const { return {runs_.size(), 0}; }
  Entry* at(Position position) const { return runs_[position.run][position.offset]; }
  Position next(Position position) const;
  std::size_t distance(Position from, Position to) const;

 private:
  std::vector<std::vector<Entry*>> runs_;  // none of them empty
};

class Shelf {
 public:
  // The newest durable version; null when there never was one in the window.
  Entry* find(const Key& key);
  const Entry* find(const Key& key) const;
  // Returns the live object that was there before, if any.
  ObjectPtr apply(const Change& change);
  // Another rendering of the newest version; false when that is not its revision.
  bool restate(const ObjectPtr& object);
  // During loading, before finish_load(): no older version is kept for rows at or below the floor.
  ObjectPtr load(const Change& change, bool keep_older);
  void finish_load();
  // The window has passed this change of the key.
  void prune(const Key& key, Revision floor);

  Page list(const ListOptions& options, Revision now) const;
  std::size_t live() const { return live_; }
  std::size_t live_bytes() const { return live_bytes_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Entry& entry) const { return entry.hash(); }
    std::size_t operator()(const Key& key) const { return object::KeyHash()(key); }
  };
  struct Same {
    using is_transparent = void;
    static const Key& key_of(const Entry& entry) { return entry.key(); }
    static const Key& key_of(const Key& key) { return key; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return key_of(a).name == key_of(b).name && key_of(a).ns == key_of(b).ns;
    }
  };

  ObjectPtr put(const Change& change, bool keep_older, bool ordered);
  void account(const ObjectPtr& before, const Change& change);
  std::size_t remaining(Order::Position from, Order::Position end, Revision at) const;

  std::unordered_set<Entry, Hash, Same> entries_;
  Order order_;
  std::size_t live_ = 0;
  std::size_t live_bytes_ = 0;
  std::size_t tombstones_ = 0;  // entries whose newest version is a deletion
  Revision changed_at_ = 0;
};

}  // namespace gantry::store
