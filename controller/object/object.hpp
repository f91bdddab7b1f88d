// A stored object: immutable, shared between every reader and both reactors. Its bytes are the canonical JSON with
// metadata.resourceVersion in it, and are what the store keeps, a watch sends and a GET answers.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/key.hpp"

namespace gantry::object {

// The parts of metadata that the plane itself reads often. Sorted by key where it has keys.
struct Meta {
  std::string uid;
  std::int64_t generation = 0;
  bool deleting = false;  // metadata.deletionTimestamp is set
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::string> finalizers;
  struct Owner {
    std::string uid;
    std::string api_version;
    std::string kind;
    std::string name;
    bool controller = false;
    bool blocks_deletion = false;
  };
  std::vector<Owner> owners;

  const std::string* label(std::string_view key) const;
  bool has_finalizer(std::string_view name) const;
};

// Canonical JSON in which metadata.resourceVersion is left empty: only the commit knows it. with(revision) fills it in.
// Made by encode(), which has the value at hand and so reads the metadata without parsing the text again.
struct Encoded {
  std::string text;
  std::size_t revision_at = 0;  // where the digits go
  Meta meta{};
  std::string with(Revision revision) const;
};
Encoded encode(const json::Value& object);

class Object {
 public:
  // bytes must be canonical JSON of an object with metadata.resourceVersion == revision.
  Object(Key key, Revision revision, Meta meta, std::string bytes)
      : key_(std::move(key)), revision_(revision), meta_(std::move(meta)), bytes_(std::move(bytes)) {}

  const Key& key() const { return key_; }
  Revision revision() const { return revision_; }
  const Meta& meta() const { return meta_; }
  const std::string& bytes() const { return bytes_; }
  // Decodes the bytes, each time it is called: whoever needs it for longer keeps it.
  json::Value decode() const { return json::parse(bytes_); }

 private:
  Key key_;
  Revision revision_;
  Meta meta_;
  std::string bytes_;
};

using ObjectPtr = std::shared_ptr<const Object>;

// Reads Meta out of an object's metadata.
Meta meta_of(const json::Value& object);

}  // namespace gantry::object
