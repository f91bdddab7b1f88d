#include "controller/object/jsonpath.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <variant>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object {

using json::Value;

namespace {

struct Filter;

struct Field {
  std::string name;
};
struct AnyChild {};  // * and [*]
struct Below {};     // ..: this and everything below
struct Slice {
  std::optional<std::int64_t> from, to;
  std::int64_t step = 1;
};
struct Choice {  // [0,2], ['a','b']
  std::vector<std::variant<std::int64_t, std::string>> of;
};
using Step = std::variant<Field, AnyChild, Below, Slice, Choice, std::unique_ptr<Filter>>;

struct Path {
  bool from_root = false;  // $
  std::vector<Step> steps;
};

struct Operand {
  std::optional<Value> literal;
  Path path;
};

struct Filter {
  Operand left;
  std::string op;  // empty: left exists
  Operand right;
};

constexpr int kDepthMax = 32;

}  // namespace

// Text that stands as it is, a path, or a range over a path with a body of its own.
struct JsonPath::Node {
  std::optional<std::string> text;
  Path path;
  std::optional<std::vector<std::unique_ptr<Node>>> body;
};

namespace {

using Node = JsonPath::Node;
using Nodes = std::vector<std::unique_ptr<Node>>;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Nodes whole_template() {
    Nodes nodes = until_end(0);
    if (ended_) fail("{end} without {range}");
    return nodes;
  }

  Path only_path() {
    spaces();
    Path path = this->path();
    spaces();
    if (at_ != text_.size()) fail("unrecognized character");
    return path;
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::BadRequest, "error parsing jsonpath " + quoted(text_.substr(0, 200)) + ": " +
                                           std::string(why) + " at position " + std::to_string(at_));
  }

  bool more() const { return at_ < text_.size(); }
  char peek() const { return more() ? text_[at_] : '\0'; }
  void spaces() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') ++at_;
  }
  bool take(std::string_view symbol) {
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  // As take(), but a name must not go on behind it.
  bool take_word(std::string_view word) {
    const std::size_t before = at_;
    if (!take(word)) return false;
    if (!more() || peek() == ' ' || peek() == '}') return true;
    at_ = before;
    return false;
  }

  Nodes until_end(int depth) {
    if (depth > kDepthMax) fail("ranges are nested too deeply");
    Nodes nodes;
    ended_ = false;
    while (more()) {
      if (!take("{")) {
        const std::size_t from = at_;
        at_ = std::min(text_.find('{', at_), text_.size());
        add_text(nodes, std::string(text_.substr(from, at_ - from)));
        continue;
      }
      if (action(nodes, depth)) return nodes;
    }
    return nodes;
  }

  // What stands in one pair of braces; true when it was {end}.
  bool action(Nodes& nodes, int depth) {
    spaces();
    if (take_word("end")) {
      close();
      return ended_ = true;
    }
    if (take_word("range")) {
      spaces();
      auto node = std::make_unique<Node>();
      node->path = path();
      close();
      node->body = until_end(depth + 1);
      if (!ended_) fail("{range} without {end}");
      ended_ = false;
      nodes.push_back(std::move(node));
      return false;
    }
    do {
      const std::size_t before = at_;
      if (peek() == '"' || peek() == '\'') {
        add_text(nodes, string());
      } else {
        auto node = std::make_unique<Node>();
        node->path = path();
        nodes.push_back(std::move(node));
      }
      spaces();
      if (at_ == before && peek() != '}') fail("unrecognized character in action");
    } while (more() && peek() != '}');
    close();
    return false;
  }

  void close() {
    spaces();
    if (!take("}")) fail(more() ? "unrecognized character in action" : "unclosed action");
  }

  static void add_text(Nodes& nodes, std::string text) {
    auto node = std::make_unique<Node>();
    node->text = std::move(text);
    nodes.push_back(std::move(node));
  }

  std::string string() {
    const char quote = text_[at_++];
    std::string out;
    while (true) {
      if (!more()) fail("unterminated quoted string");
      char c = text_[at_++];
      if (c == quote) return out;
      if (c == '\\' && more()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
        if (c == 'r') c = '\r';
      }
      out += c;
    }
  }

  // A field's name; \. is a dot in it.
  std::string name() {
    std::string out;
    while (more() && std::string_view(" \t\n.[]{}()=!<>,|\"'").find(peek()) == std::string_view::npos) {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    return out;
  }

  std::optional<std::int64_t> integer() {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  Path path() {
    Path path;
    if (take("$")) {
      path.from_root = true;
    } else {
      take("@");
    }
    if (more() && std::string_view(".[ }=!<>)").find(peek()) == std::string_view::npos)
      member(path);  // x.y without a dot
    while (more()) {
      if (take("..")) {
        path.steps.push_back(Below{});
        if (peek() != '[') member(path);
      } else if (take(".")) {
        if (more() && std::string_view(" }[=!<>)").find(peek()) == std::string_view::npos) member(path);
      } else if (take("[")) {
        path.steps.push_back(subscript());
      } else {
        break;
      }
      if (path.steps.size() > 256) fail("too many steps");
    }
    return path;
  }

  void member(Path& path) {
    if (take("*")) {
      path.steps.push_back(AnyChild{});
      return;
    }
    std::string field = name();
    if (field.empty()) fail("a field name is expected");
    path.steps.push_back(Field{std::move(field)});
  }

  Step subscript() {
    spaces();
    if (take("*")) return closed(AnyChild{});
    if (take("?(")) return filter();
    if (peek() == '"' || peek() == '\'') return names();
    std::optional<std::int64_t> first = integer();
    spaces();
    if (take(":")) return slice(first);
    if (!first) fail("an index, a slice, a quoted name, * or a filter is expected");
    Choice choice;
    choice.of.emplace_back(*first);
    while (take(",")) {
      spaces();
      const auto next = integer();
      if (!next) fail("an index is expected");
      choice.of.emplace_back(*next);
      spaces();
    }
    return closed(std::move(choice));
  }

  Step names() {
    Choice choice;
    do {
      spaces();
      if (peek() != '"' && peek() != '\'') fail("a quoted name is expected");
      choice.of.emplace_back(string());
      spaces();
    } while (take(","));
    return closed(std::move(choice));
  }

  Step slice(std::optional<std::int64_t> from) {
    Slice slice{from, integer(), 1};
    spaces();
    if (take(":")) slice.step = integer().value_or(1);
    if (slice.step < 1) fail("the step of a slice must be positive");
    return closed(slice);
  }

  Step closed(Step step) {
    spaces();
    if (!take("]")) fail("unterminated array, ']' is expected");
    return step;
  }

  Step filter() {
    if (++filters_ > kDepthMax) fail("too many filters");
    auto filter = std::make_unique<Filter>();
    filter->left = operand();
    spaces();
    for (const std::string_view op : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!take(op)) continue;
      filter->op = op;
      filter->right = operand();
      break;
    }
    spaces();
    if (!take(")")) fail("')' is expected behind a filter");
    return closed(std::move(filter));
  }

  Operand operand() {
    spaces();
    Operand operand;
    if (peek() == '"' || peek() == '\'') {
      operand.literal = Value(string());
    } else if (peek() == '@' || peek() == '$' || peek() == '.') {
      operand.path = path();
    } else {
      const std::size_t from = at_;
      while (more() && std::string_view(" )=!<>").find(peek()) == std::string_view::npos) ++at_;
      const std::string_view word = text_.substr(from, at_ - from);
      try {
        operand.literal = json::parse(word);
      } catch (const Error&) {  // whatever is wrong with it, it is no literal
        fail("a filter compares with a quoted text, a number, true or false");
      }
    }
    return operand;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int filters_ = 0;
  bool ended_ = false;
};

using Found = std::vector<const Value*>;

class Walker {
 public:
  explicit Walker(const Value& root) : root_(root) {}

  Found follow(const Path& path, const Value& from) const {
    Found here{path.from_root ? &root_ : &from};
    for (const auto& step : path.steps) {
      Found next;
      for (const Value* value : here) std::visit([&](const auto& s) { take(s, *value, next); }, step);
      here = std::move(next);
    }
    return here;
  }

 private:
  void take(const Field& field, const Value& value, Found& out) const {
    if (const Value* child = value.find(field.name)) out.push_back(child);
  }

  void take(const AnyChild&, const Value& value, Found& out) const {
    if (value.is_array()) {
      for (const auto& item : value.as_array()) out.push_back(&item);
    } else if (value.is_object()) {
      for (const auto& member : value.as_object()) out.push_back(&member.value);
    }
  }

  void take(const Below& below, const Value& value, Found& out) const {
    out.push_back(&value);
    Found children;
    take(AnyChild{}, value, children);
    for (const Value* child : children) take(below, *child, out);
  }

  void take(const Slice& slice, const Value& value, Found& out) const {
    if (!value.is_array()) return;
    const auto& items = value.as_array();
    const auto size = static_cast<std::int64_t>(items.size());
    const auto bound = [&](std::optional<std::int64_t> at, std::int64_t otherwise) {
      if (!at) return otherwise;
      return std::clamp<std::int64_t>(*at < 0 ? *at + size : *at, 0, size);
    };
    const std::int64_t to = bound(slice.to, size);
    for (std::int64_t i = bound(slice.from, 0); i < to; i += slice.step) {
      out.push_back(&items[static_cast<std::size_t>(i)]);
      if (slice.step > size) break;
    }
  }

  void take(const Choice& choice, const Value& value, Found& out) const {
    for (const auto& one : choice.of) {
      if (const auto* name = std::get_if<std::string>(&one)) {
        take(Field{*name}, value, out);
      } else if (value.is_array()) {
        const auto size = static_cast<std::int64_t>(value.as_array().size());
        std::int64_t at = std::get<std::int64_t>(one);
        if (at < 0) at += size;
        if (at >= 0 && at < size) out.push_back(&value.as_array()[static_cast<std::size_t>(at)]);
      }
    }
  }

  void take(const std::unique_ptr<Filter>& filter, const Value& value, Found& out) const {
    Found children;
    take(AnyChild{}, value, children);
    for (const Value* child : children) {
      if (holds(*filter, *child)) out.push_back(child);
    }
  }

  bool holds(const Filter& filter, const Value& item) const {
    const Found left = operand(filter.left, item);
    if (filter.op.empty()) return !left.empty();
    const Found right = operand(filter.right, item);
    return left.size() == 1 && right.size() == 1 && compare(*left.front(), filter.op, *right.front());
  }

  Found operand(const Operand& operand, const Value& item) const {
    return operand.literal ? Found{&*operand.literal} : follow(operand.path, item);
  }

  static bool compare(const Value& a, std::string_view op, const Value& b) {
    const bool numbers = a.is_number() && b.is_number();
    if (op == "==") return numbers ? a.as_double() == b.as_double() : a == b;
    if (op == "!=") return numbers ? a.as_double() != b.as_double() : !(a == b);
    if (!numbers && !(a.is_string() && b.is_string())) return false;
    const bool less = numbers ? a.as_double() < b.as_double() : a.as_string() < b.as_string();
    const bool more = numbers ? a.as_double() > b.as_double() : a.as_string() > b.as_string();
    if (op == "<") return less;
    if (op == "<=") return !more;
    return op == ">" ? more : !less;
  }

  const Value& root_;
};

void collect(const Nodes& nodes, const Walker& walker, const Value& here, Found& out) {
  for (const auto& node : nodes) {
    if (node->text) continue;
    const Found found = walker.follow(node->path, here);
    if (!node->body) {
      out.insert(out.end(), found.begin(), found.end());
      continue;
    }
    for (const Value* item : found) collect(*node->body, walker, *item, out);
  }
}

void print_nodes(const Nodes& nodes, const Walker& walker, const Value& here, std::string& out) {
  for (const auto& node : nodes) {
    if (node->text) {
      out += *node->text;
      continue;
    }
    const Found found = walker.follow(node->path, here);
    bool first = true;
    for (const Value* value : found) {
      if (node->body) {
        print_nodes(*node->body, walker, *value, out);
        continue;
      }
      if (!first) out += ' ';
      first = false;
      if (value->is_string()) {
        out += value->as_string();
      } else {
        json::dump_to(out, *value);
      }
    }
  }
}

}  // namespace

JsonPath::JsonPath() = default;
JsonPath::~JsonPath() = default;
JsonPath::JsonPath(JsonPath&&) noexcept = default;
JsonPath& JsonPath::operator=(JsonPath&&) noexcept = default;

JsonPath JsonPath::parse_template(std::string_view text) {
  JsonPath path;
  path.nodes_ = Parser(text).whole_template();
  return path;
}

JsonPath JsonPath::parse(std::string_view expression) {
  if (expression.starts_with('{') && expression.ends_with('}'))
    expression = expression.substr(1, expression.size() - 2);
  JsonPath path;
  auto node = std::make_unique<Node>();
  node->path = Parser(expression).only_path();
  path.nodes_.push_back(std::move(node));
  return path;
}

std::vector<const Value*> JsonPath::find(const Value& root) const {
  Found out;
  collect(nodes_, Walker(root), root, out);
  return out;
}

std::string JsonPath::print(const Value& root) const {
  std::string out;
  print_nodes(nodes_, Walker(root), root, out);
  return out;
}

}  // namespace gantry::object
