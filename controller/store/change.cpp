#include "controller/store/change.hpp"

#include <algorithm>
#include <cstring>

#include "controller/base/error.hpp"
#include "controller/store/cipher.hpp"
#include "controller/store/crc32c.hpp"

namespace gantry::store {
namespace {

using object::Key;
using object::Object;
using object::Resource;

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kEncrypted = 1;
enum Op : std::uint8_t { kPut = 1, kDelete = 2 };

// Little-endian in memory on every machine that this runs on; docs/store.md says so of the file.
struct Header {
  std::uint8_t version = kVersion;
  std::uint8_t op = kPut;
  std::uint8_t flags = 0;
  std::uint8_t reserved = 0;
  std::uint16_t group = 0;
  std::uint16_t plural = 0;
  std::uint16_t ns = 0;
  std::uint16_t name = 0;
};
static_assert(sizeof(Header) == 12);

template <class T>
void append_raw(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T read_raw(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::uint16_t size_of(std::string_view part, const Key& key) {
  if (part.size() > UINT16_MAX) {
    throw Error(ErrorCode::Invalid, "the name of " + key.to_string().substr(0, 80) + "... is longer than 65535 bytes");
  }
  return static_cast<std::uint16_t>(part.size());
}

// The revision is part of it, so that a row cannot be taken for another.
std::uint32_t checksum_of(Revision revision, std::string_view body) {
  std::string_view number(reinterpret_cast<const char*>(&revision), sizeof revision);
  return crc32c(body, crc32c(number));
}

std::string context_of(Revision revision, std::string_view head) {
  std::string context;
  append_raw(context, revision);
  return context.append(head);
}

[[noreturn]] void damaged(Revision revision, const char* what) {
  throw Error(ErrorCode::Internal, "row " + std::to_string(revision) + " is damaged: " + what);
}

}  // namespace

RowCodec::RowCodec(const Cipher* cipher, const std::vector<Resource>& encrypted)
    : cipher_(cipher), encrypted_(encrypted) {}

void RowCodec::append(std::string& out, const Change& change) const {
  const Key& key = change.object->key();
  const bool encrypted = cipher_ && std::find(encrypted_.begin(), encrypted_.end(), key.resource) != encrypted_.end();
  const std::size_t start = out.size();
  Header header;
  header.op = change.deleted ? kDelete : kPut;
  header.flags = encrypted ? kEncrypted : 0;
  header.group = size_of(key.resource.group(), key);
  header.plural = size_of(key.resource.plural(), key);
  header.ns = size_of(key.ns, key);
  header.name = size_of(key.name, key);
  append_raw(out, header);
  out.append(key.resource.group()).append(key.resource.plural()).append(key.ns).append(key.name);
  if (encrypted) {
    const std::string context = context_of(change.revision(), std::string_view(out).substr(start));
    append_raw(out, cipher_->id());
    cipher_->seal(out, change.object->bytes(), context);
  } else {
    out.append(change.object->bytes());
  }
  append_raw(out, checksum_of(change.revision(), std::string_view(out).substr(start)));
}

Change RowCodec::read(const Row& row) const {
  std::string_view rest = row.value;
  if (rest.size() < sizeof(Header) + sizeof(std::uint32_t)) damaged(row.revision, "it is cut short");
  rest.remove_suffix(sizeof(std::uint32_t));
  if (row_checksum(row.value) != checksum_of(row.revision, rest)) damaged(row.revision, "its checksum does not match");
  const std::string_view whole = rest;
  const auto header = read_raw<Header>(rest);
  if (header.version != kVersion) {
    throw Error(ErrorCode::Invalid, "row " + std::to_string(row.revision) + " is of version " +
                                        std::to_string(header.version) +
                                        "; this program reads version 1: start the newer one that wrote it");
  }
  rest.remove_prefix(sizeof(Header));
  const auto take = [&](std::size_t size) {
    if (size > rest.size()) damaged(row.revision, "its lengths do not fit");
    const std::string_view part = rest.substr(0, size);
    rest.remove_prefix(size);
    return part;
  };
  const auto group = take(header.group);
  const auto plural = take(header.plural);
  const auto ns = take(header.ns);
  const auto name = take(header.name);
  std::string bytes;
  if (header.flags & kEncrypted) {
    const std::string context = context_of(row.revision, whole.substr(0, whole.size() - rest.size()));
    const auto id = read_raw<std::uint64_t>(take(sizeof(std::uint64_t)));
    if (!cipher_ || id != cipher_->id()) {
      throw Error(ErrorCode::Invalid, "row " + std::to_string(row.revision) + " (" + std::string(plural) +
                                          ") is encrypted with another key than the one given");
    }
    bytes = cipher_->open(rest, context);
  } else {
    bytes = rest;
  }
  object::Meta meta = scan_meta(bytes);
  Key key{Resource::of(group, plural), std::string(ns), std::string(name)};
  return {std::make_shared<const Object>(std::move(key), row.revision, std::move(meta), std::move(bytes)),
          header.op == kDelete};
}

std::uint32_t row_checksum(std::string_view value) {
  if (value.size() < sizeof(std::uint32_t)) return 0;
  return read_raw<std::uint32_t>(value.substr(value.size() - sizeof(std::uint32_t)));
}

}  // namespace gantry::store
