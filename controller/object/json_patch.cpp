#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/patch.hpp"

namespace gantry::object {

using json::Value;

namespace {

constexpr std::size_t kOperationsMax = 10'000;
constexpr std::size_t kDepthMax = 100;
// Values copied, or moved aside in a list, by a whole patch: 10,000 inserts at the front of a list of 2,000.
constexpr std::size_t kWorkMax = 20'000'000;
// Copies double a document with each operation; this is as much as a request's body may bring.
constexpr std::size_t kCopiedBytesMax = 3 << 20;

struct Size {
  std::size_t values = 0;
  std::size_t bytes = 0;
  std::size_t depth = 0;
};

void measure(const Value& value, std::size_t depth, Size& size) {
  ++size.values;
  size.depth = std::max(size.depth, depth);
  size.bytes += 8;
  if (value.is_string()) {
    size.bytes += value.as_string().size();
  } else if (value.is_array()) {
    for (const auto& item : value.as_array()) measure(item, depth + 1, size);
  } else if (value.is_object()) {
    for (const auto& member : value.as_object()) {
      size.bytes += member.key.size();
      measure(member.value, depth + 1, size);
    }
  }
}

std::vector<std::string> parse_pointer(const std::string& pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (pointer.front() != '/')
    throw Error(ErrorCode::BadRequest, "JSON patch: path " + quoted(pointer) + " must be empty or begin with '/'");
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      tokens.emplace_back();
    } else if (pointer[i] != '~') {
      tokens.back() += pointer[i];
    } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
      tokens.back() += pointer[++i] == '0' ? '~' : '/';
    } else {
      throw Error(ErrorCode::BadRequest,
                  "JSON patch: path " + quoted(pointer) + " has a '~' that is not followed by 0 or 1");
    }
  }
  return tokens;
}

class Patcher {
 public:
  explicit Patcher(Value document) : document_(std::move(document)) {}

  void run(const Value& operation) {
    if (!operation.is_object()) malformed("an operation must be an object");
    const std::string op = text(operation, "op");
    path_ = text(operation, "path");
    if (op == "add") {
      add(parse_pointer(path_), value_of(operation));
    } else if (op == "remove") {
      take(parse_pointer(path_));
    } else if (op == "replace") {
      replace(parse_pointer(path_), value_of(operation));
    } else if (op == "test") {
      if (!(find(parse_pointer(path_)) == value_of(operation))) unfit("testing value " + quoted(path_) + " failed");
    } else if (op == "copy") {
      copy(text(operation, "from"));
    } else if (op == "move") {
      move(text(operation, "from"));
    } else {
      malformed("unknown operation " + quoted(op));
    }
  }

  Value result() { return std::move(document_); }

 private:
  [[noreturn]] static void malformed(const std::string& why) {
    throw Error(ErrorCode::BadRequest, "JSON patch: " + why);
  }
  [[noreturn]] static void unfit(const std::string& why) { throw Error(ErrorCode::Invalid, "JSON patch: " + why); }

  void work(std::size_t values) {
    work_ += values;
    if (work_ > kWorkMax)
      throw Error(ErrorCode::TooLarge, "JSON patch: it would move too many values; send the whole object instead");
  }

  static std::string text(const Value& operation, std::string_view key) {
    const Value* found = operation.find(key);
    if (!found || !found->is_string()) malformed("an operation needs the string " + quoted(key));
    return found->as_string();
  }

  static const Value& value_of(const Value& operation) {
    const Value* value = operation.find("value");
    if (!value) malformed("operation " + quoted(text(operation, "op")) + " needs a value");
    return *value;
  }

  void check_depth(std::size_t above, const Value& value) {
    Size size;
    measure(value, 1, size);
    work(size.values);
    if (above + size.depth > kDepthMax)
      unfit("the result would be nested too deeply (at most " + std::to_string(kDepthMax) + " levels)");
  }

  static std::size_t index(const std::string& token, std::size_t end) {
    const bool digits =
        !token.empty() && token.size() <= 9 && std::ranges::all_of(token, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (token.size() > 1 && token.front() == '0')) unfit("invalid list index " + quoted(token));
    const std::size_t at = std::stoul(token);
    if (at >= end) unfit("list index " + token + " is out of bounds");
    return at;
  }

  Value& child(Value& parent, const std::string& token) {
    if (parent.is_array()) return parent.as_array()[index(token, parent.as_array().size())];
    Value* found = parent.find(token);
    if (!found) unfit("path " + quoted(path_) + " does not exist (at " + quoted(token) + ")");
    return *found;
  }

  Value& find(const std::vector<std::string>& tokens) {
    Value* here = &document_;
    for (const auto& token : tokens) here = &child(*here, token);
    return *here;
  }

  Value& parent_of(std::vector<std::string>& tokens, std::string& last) {
    last = std::move(tokens.back());
    tokens.pop_back();
    return find(tokens);
  }

  void add(std::vector<std::string> tokens, Value value) {
    check_depth(tokens.size(), value);
    if (tokens.empty()) {
      document_ = std::move(value);
      return;
    }
    std::string last;
    Value& parent = parent_of(tokens, last);
    if (parent.is_array()) {
      auto& list = parent.as_array();
      const std::size_t at = last == "-" ? list.size() : index(last, list.size() + 1);
      work(list.size() - at);
      list.insert(list.begin() + static_cast<std::ptrdiff_t>(at), std::move(value));
    } else if (parent.is_object()) {
      work(parent.as_object().size());
      parent.as_object().set(last, std::move(value));
    } else {
      unfit("path " + quoted(path_) + " leads into a " + std::string(parent.type_name()));
    }
  }

  void replace(const std::vector<std::string>& tokens, const Value& value) {
    check_depth(tokens.size(), value);
    find(tokens) = value;
  }

  Value take(std::vector<std::string> tokens) {
    if (tokens.empty()) return std::exchange(document_, Value());
    std::string last;
    Value& parent = parent_of(tokens, last);
    Value taken = std::move(child(parent, last));
    if (parent.is_array()) {
      auto& list = parent.as_array();
      const std::size_t at = index(last, list.size());
      work(list.size() - at);
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      work(parent.as_object().size());
      parent.as_object().erase(last);
    }
    return taken;
  }

  void copy(const std::string& from) {
    const Value& source = find(parse_pointer(from));
    Size size;
    measure(source, 1, size);
    copied_ += size.bytes;
    if (copied_ > kCopiedBytesMax)
      throw Error(ErrorCode::TooLarge,
                  "JSON patch: copies may amount to " + std::to_string(kCopiedBytesMax) + " bytes at most");
    add(parse_pointer(path_), Value(source));
  }

  void move(const std::string& from) {
    if (path_ == from) {
      find(parse_pointer(from));
      return;
    }
    if (path_.starts_with(from + "/")) unfit("cannot move " + quoted(from) + " into itself");
    add(parse_pointer(path_), take(parse_pointer(from)));
  }

  Value document_;
  std::string path_;
  std::size_t work_ = 0;
  std::size_t copied_ = 0;
};

}  // namespace

Value json_patch(Value document, const Value& patch) {
  if (!patch.is_array())
    throw Error(ErrorCode::BadRequest,
                "JSON patch: a list of operations is expected, got " + std::string(patch.type_name()));
  const auto& operations = patch.as_array();
  if (operations.size() > kOperationsMax) {
    throw Error(ErrorCode::TooLarge, "The allowed maximum operations in a JSON patch is " +
                                         std::to_string(kOperationsMax) + ", got " + std::to_string(operations.size()));
  }
  Patcher patcher(std::move(document));
  for (const auto& operation : operations) patcher.run(operation);
  return patcher.result();
}

}  // namespace gantry::object
