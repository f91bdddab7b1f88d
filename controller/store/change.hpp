// One change, as it travels from the front to the disk, and how it is written there (docs/store.md, "A row").
#pragma once

#include <string>
#include <vector>

#include "controller/object/object.hpp"
#include "controller/store/engine.hpp"

namespace gantry::store {

class Cipher;

struct ResourceHash {
  std::size_t operator()(object::Resource resource) const { return resource.hash(); }
};

struct Change {
  object::ObjectPtr object;  // carries key and revision; for a deletion the last state
  bool deleted = false;

  Revision revision() const { return object->revision(); }
};

// Knows which resources are encrypted. Immutable; any thread.
class RowCodec {
 public:
  // Without a cipher nothing is encrypted, and encrypted rows cannot be read.
  RowCodec(const Cipher* cipher, const std::vector<object::Resource>& encrypted);

  void append(std::string& out, const Change& change) const;
  // Throws Error(Internal) when the row is damaged, Error(Invalid) when it is of another version or key.
  Change read(const Row& row) const;

 private:
  const Cipher* cipher_;
  std::vector<object::Resource> encrypted_;
};

// The checksum a row ends with; also what the engine's digest of all rows is made of.
std::uint32_t row_checksum(std::string_view value);

// Meta of an object's canonical JSON, without parsing more than its metadata.
object::Meta scan_meta(std::string_view bytes);

}  // namespace gantry::store
