#include "controller/store/lmdb_check.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/store/files.hpp"
#include "controller/store/lmdb_state.hpp"

namespace gantry::store {
namespace {

// The file format of LMDB 0.9 on a 64-bit little-endian machine (mdb.c; data version 1, unchanged since 2012).
using PageNumber = std::uint64_t;
constexpr PageNumber kNoPage = ~PageNumber{0};
constexpr std::uint32_t kLmdbMagic = 0xBEEFC0DE;
constexpr std::uint16_t kBranch = 1, kLeaf = 2, kOverflow = 4, kMeta = 8;
constexpr std::uint16_t kBigData = 1, kSubData = 2;
constexpr std::uint16_t kIntegerKey = 8;

struct PageHead {
  PageNumber number;
  std::uint16_t pad, flags, lower, upper;  // lower and upper together: the length of an overflow page, in pages
  std::uint32_t pages() const { return lower | static_cast<std::uint32_t>(upper) << 16; }
};
static_assert(sizeof(PageHead) == 16);

struct Table {
  std::uint32_t pad;
  std::uint16_t flags, depth;
  std::uint64_t branches, leaves, overflows, entries;
  PageNumber root;
};
static_assert(sizeof(Table) == 48);

struct Meta {
  std::uint32_t magic, version;
  std::uint64_t address, map_size;
  Table free, main;
  PageNumber last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(Meta) == 136);

struct NodeHead {
  std::uint16_t low, high, flags, key_size;
  std::uint32_t data_size() const { return low | static_cast<std::uint32_t>(high) << 16; }
  PageNumber child() const { return data_size() | static_cast<PageNumber>(flags) << 32; }
};
static_assert(sizeof(NodeHead) == 8);

template <class T>
T read_at(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

[[noreturn]] void wrong(PageNumber page, const char* what) {
  throw Error(ErrorCode::Internal, "page " + std::to_string(page) + " " + what);
}

class MappedFile {
 public:
  explicit MappedFile(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info{};
    if (!file_ || ::fstat(file_.get(), &info) != 0) throw system_error("opening " + path);
    size_ = static_cast<std::size_t>(info.st_size);
    if (size_ == 0) return;
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_.get(), 0);
    if (data_ == MAP_FAILED) throw system_error("mapping " + path);
  }
  ~MappedFile() {
    if (size_ > 0 && data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  File file_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Node {
  std::string_view key;
  std::uint16_t flags;
  PageNumber child;       // of a branch
  std::string_view data;  // of a leaf
};

// One committed state of the file, seen from one of its two meta pages.
class Snapshot {
 public:
  Snapshot(std::string_view file, std::size_t page_size, const Meta& meta)
      : file_(file), page_size_(page_size), meta_(meta), used_(meta.last_page + 1) {}

  // Nothing when it holds no state of ours.
  std::optional<StateRecord> state();
  void check_everything();

 private:
  enum class Order { Bytes, Numbers };
  using Visit = std::function<void(const Node&)>;

  std::string_view page(PageNumber number) const;
  void use(PageNumber first, std::uint64_t count);
  Node node(PageNumber number, std::string_view page, std::size_t index, bool leaf);
  std::string_view big_data(PageNumber number, std::uint32_t size);
  void walk(const Table& table, Order order, const Visit& visit);
  void walk_page(PageNumber number, unsigned depth, Order order, const Visit& visit);
  int compare(Order order, std::string_view a, std::string_view b) const;

  std::string_view file_;
  std::size_t page_size_;
  Meta meta_;
  std::vector<bool> used_;
  Table seen_{};               // what the walk has counted
  std::string_view last_key_;  // keys must ascend over the whole walk
  bool any_key_ = false;
};

std::string_view Snapshot::page(PageNumber number) const {
  if (number < 2 || number > meta_.last_page) wrong(number, "is outside of the file's pages");
  if ((number + 1) * page_size_ > file_.size()) wrong(number, "is behind the end of the file, which was cut short");
  return file_.substr(number * page_size_, page_size_);
}

void Snapshot::use(PageNumber first, std::uint64_t count) {
  if (first < 2 || count > meta_.last_page || first + count - 1 > meta_.last_page)
    wrong(first, "is outside of the file's pages");
  for (PageNumber at = first; at < first + count; ++at) {
    if (used_[at]) wrong(at, "is used twice");
    used_[at] = true;
  }
}

Node Snapshot::node(PageNumber number, std::string_view bytes, std::size_t index, bool leaf) {
  const auto at = read_at<std::uint16_t>(bytes, sizeof(PageHead) + 2 * index);
  const auto head = read_at<PageHead>(bytes, 0);
  if (at < head.upper || at + sizeof(NodeHead) > page_size_) wrong(number, "has an entry outside of itself");
  const auto node = read_at<NodeHead>(bytes, at);
  const std::size_t key_at = at + sizeof(NodeHead);
  const bool big = leaf && (node.flags & kBigData);
  const std::size_t data_size = !leaf ? 0 : big ? sizeof(PageNumber) : node.data_size();
  if (key_at + node.key_size + data_size > page_size_) wrong(number, "has an entry outside of itself");
  if (leaf && (node.flags & ~(kBigData | kSubData))) wrong(number, "has an entry of an unknown kind");
  Node out{bytes.substr(key_at, node.key_size), node.flags, node.child(), {}};
  if (big) {
    out.data = big_data(read_at<PageNumber>(bytes, key_at + node.key_size), node.data_size());
  } else if (leaf) {
    out.data = bytes.substr(key_at + node.key_size, data_size);
  }
  return out;
}

std::string_view Snapshot::big_data(PageNumber number, std::uint32_t size) {
  const auto head = read_at<PageHead>(page(number), 0);
  const std::uint64_t pages = head.pages();
  if (head.number != number || head.flags != kOverflow) wrong(number, "is not the overflow page it should be");
  if (pages == 0 || size + sizeof(PageHead) > pages * page_size_) wrong(number, "is too short for what it holds");
  use(number, pages);
  page(number + pages - 1);
  seen_.overflows += pages;
  return file_.substr(number * page_size_ + sizeof(PageHead), size);
}

int Snapshot::compare(Order order, std::string_view a, std::string_view b) const {
  if (order == Order::Bytes) return a.compare(b);
  const auto x = read_at<std::uint64_t>(a, 0);
  const auto y = read_at<std::uint64_t>(b, 0);
  return x < y ? -1 : x > y;
}

void Snapshot::walk(const Table& table, Order order, const Visit& visit) {
  seen_ = Table{};
  any_key_ = false;
  if (table.root == kNoPage) {
    if (table.entries != 0 || table.depth != 0) wrong(0, "names a table that has lost its root");
    return;
  }
  if (table.depth == 0 || table.depth > 32) wrong(0, "names a table of impossible depth");
  walk_page(table.root, table.depth, order, visit);
  if (seen_.entries != table.entries || seen_.leaves != table.leaves || seen_.branches != table.branches ||
      seen_.overflows != table.overflows) {
    wrong(table.root, "is the root of a table that has lost, or won, some entries");
  }
}

void Snapshot::walk_page(PageNumber number, unsigned depth, Order order, const Visit& visit) {
  const std::string_view bytes = page(number);
  const auto head = read_at<PageHead>(bytes, 0);
  const bool leaf = depth == 1;
  if (head.number != number) wrong(number, "says it is another page");
  if (head.flags != (leaf ? kLeaf : kBranch)) wrong(number, "is of the wrong kind");
  if (head.lower < sizeof(PageHead) || head.lower % 2 != 0 || head.lower > head.upper || head.upper > page_size_) {
    wrong(number, "has impossible bounds");
  }
  use(number, 1);
  ++(leaf ? seen_.leaves : seen_.branches);
  const std::size_t count = (head.lower - sizeof(PageHead)) / 2;
  if (count == 0) wrong(number, "is empty");
  for (std::size_t i = 0; i < count; ++i) {
    const Node entry = node(number, bytes, i, leaf);
    const bool keyed = leaf || i > 0;  // the first entry of a branch stands for everything before the second
    if (keyed && order == Order::Numbers && entry.key.size() != sizeof(std::uint64_t))
      wrong(number, "has a key of the wrong size");
    if (keyed && any_key_ && compare(order, entry.key, last_key_) < (leaf ? 0 : 1))
      wrong(number, "has its keys out of order");
    if (leaf) {
      if (any_key_ && i > 0 && compare(order, entry.key, last_key_) == 0) wrong(number, "has a key twice");
      last_key_ = entry.key;
      any_key_ = true;
      ++seen_.entries;
      visit(entry);
    } else {
      // What follows in the child must not lie before the key that leads to it.
      if (keyed) {
        last_key_ = entry.key;
        any_key_ = true;
      }
      walk_page(entry.child, depth - 1, order, visit);
    }
  }
}

std::optional<StateRecord> Snapshot::state() {
  std::optional<StateRecord> found;
  walk(meta_.main, Order::Bytes, [&](const Node& node) {
    if (node.key != kStateKey) return;
    if (node.data.size() != sizeof(StateRecord)) throw Error(ErrorCode::Internal, "its state record has a wrong size");
    found = read_at<StateRecord>(node.data, 0);
  });
  return found;
}

void Snapshot::check_everything() {
  std::fill(used_.begin(), used_.end(), false);
  std::optional<Table> rows;
  walk(meta_.main, Order::Bytes, [&](const Node& node) {
    if (node.key != kRowsTable) return;
    if (!(node.flags & kSubData) || node.data.size() != sizeof(Table))
      throw Error(ErrorCode::Internal, "its table of rows is missing");
    rows = read_at<Table>(node.data, 0);
  });
  if (!rows || rows->flags != kIntegerKey || meta_.main.flags != 0)
    throw Error(ErrorCode::Internal, "its table of rows is missing");
  walk(*rows, Order::Numbers, [](const Node&) {});
  // What is free must not be in use: LMDB will write there.
  std::vector<PageNumber> free;
  walk(meta_.free, Order::Numbers, [&](const Node& node) {
    const std::size_t count = node.data.size() < 8 ? 0 : read_at<std::uint64_t>(node.data, 0);
    if (node.data.size() < 8 || count > node.data.size() / 8 - 1)
      throw Error(ErrorCode::Internal, "its list of free pages is cut short");
    if (read_at<std::uint64_t>(node.key, 0) > meta_.transaction)
      throw Error(ErrorCode::Internal, "its list of free pages is of the future");
    for (std::size_t i = 1; i <= count; ++i) free.push_back(read_at<PageNumber>(node.data, 8 * i));
  });
  for (const PageNumber number : free) use(number, 1);
}

bool is_empty(const Meta& meta) {
  return meta.main.root == kNoPage && meta.free.root == kNoPage && meta.transaction == 0;
}

}  // namespace

void check_lmdb_file(const std::string& path) {
  const MappedFile mapped(path);
  const std::string_view file = mapped.bytes();
  constexpr std::size_t kMetaAt = sizeof(PageHead);
  if (file.size() < kMetaAt + sizeof(Meta)) return;
  const auto first = read_at<Meta>(file, kMetaAt);
  if (first.magic != kLmdbMagic) return;
  const std::size_t page_size = first.free.pad;
  if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1)) != 0 || file.size() < 2 * page_size) {
    throw Error(ErrorCode::Internal, "its first page is damaged");
  }
  const auto second = read_at<Meta>(file, page_size + kMetaAt);
  std::optional<StateRecord> states[2];
  const Meta* metas[] = {&first, &second};
  for (PageNumber i = 0; i < 2; ++i) {
    const Meta& meta = *metas[i];
    const auto head = read_at<PageHead>(file, i * page_size);
    if (meta.magic != kLmdbMagic || meta.version != first.version || meta.free.pad != page_size ||
        head.flags != kMeta || head.number != i || meta.free.flags != kIntegerKey || meta.last_page == 0) {
      wrong(i, "is damaged");
    }
    // Pages that were taken and given back within one commit were never written, so the file may end before the last.
    constexpr std::uint64_t kNeverWritten = 1 << 16;
    if (meta.last_page > file.size() / page_size + kNeverWritten)
      wrong(i, "names pages far behind the end of the file");
    if (!is_empty(meta)) states[i] = Snapshot(file, page_size, meta).state();
  }
  if (!states[0] && !states[1]) return;
  // Commits take turns between the two pages. A page that names another commit than the one its state was written by
  // would bring back an older state.
  for (PageNumber i = 0; i < 2; ++i) {
    const auto& state = states[i];
    if (!state && (!is_empty(*metas[i]) || metas[1 - i]->transaction != 1)) wrong(i, "has lost its state record");
    if (!state) continue;
    if (state->magic != kStateMagic) wrong(i, "has lost its state record");
    if (state->version > kStateVersion) return;
    if (state->crc != state->expected_crc() || state->transaction != metas[i]->transaction ||
        state->transaction % 2 != i) {
      wrong(i, "does not belong to its state record");
    }
  }
  const Meta& newest = first.transaction < second.transaction ? second : first;
  const Meta& older = first.transaction < second.transaction ? first : second;
  if (newest.transaction != older.transaction + 1) throw Error(ErrorCode::Internal, "its newest state is gone");
  Snapshot(file, page_size, newest).check_everything();
}

}  // namespace gantry::store
