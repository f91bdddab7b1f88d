// CEL's grammar (github.com/google/cel-spec, langdef.md) by recursive descent, without what JSON objects have no use
// for: bytes, unsigned numbers, messages.
#include <charconv>
#include <optional>

#include "controller/base/utf8.hpp"
#include "controller/object/cel/expression.hpp"

namespace gantry::object::cel {
namespace {

constexpr std::size_t kTextMax = 8192;
constexpr int kDepthMax = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

ExpressionPtr node(Op op, std::size_t at) {
  auto made = std::make_unique<Expression>();
  made->op = op;
  made->at = at;
  return made;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  ExpressionPtr whole() {
    if (text_.size() > kTextMax) refuse(0, "an expression has at most " + std::to_string(kTextMax) + " bytes");
    auto expression = conditional();
    if (at_ < text_.size()) refuse(at_, "unexpected " + std::string(1, text_[at_]));
    return expression;
  }

 private:
  [[noreturn]] static void refuse(std::size_t at, std::string why) { throw Refusal{at, std::move(why)}; }

  class Deeper {
   public:
    Deeper(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDepthMax) refuse(parser_.at_, "nested too deeply");
    }
    ~Deeper() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  void skip() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\n\r\f").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else if (text_.substr(at_).starts_with("//")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }

  // Takes the sign if it stands here.
  bool take(std::string_view sign) {
    skip();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    skip();
    return true;
  }

  void expect(std::string_view sign) {
    if (!take(sign)) refuse(at_, "expected '" + std::string(sign) + "'");
  }

  ExpressionPtr binary(Op op, std::size_t at, ExpressionPtr left, ExpressionPtr right) {
    auto made = node(op, at);
    made->args.push_back(std::move(left));
    made->args.push_back(std::move(right));
    return made;
  }

  ExpressionPtr conditional() {
    const Deeper deeper(*this);
    skip();
    const std::size_t at = at_;
    auto condition = any_of();
    if (!take("?")) return condition;
    auto made = node(Op::Conditional, at);
    made->args.push_back(std::move(condition));
    made->args.push_back(any_of());
    expect(":");
    made->args.push_back(conditional());
    return made;
  }

  ExpressionPtr any_of() {
    auto left = all_of();
    for (std::size_t at = at_; take("||"); at = at_) left = binary(Op::Or, at, std::move(left), all_of());
    return left;
  }

  ExpressionPtr all_of() {
    auto left = relation();
    for (std::size_t at = at_; take("&&"); at = at_) left = binary(Op::And, at, std::move(left), relation());
    return left;
  }

  std::optional<Op> take_relation() {
    constexpr std::pair<std::string_view, Op> kSigns[] = {{"==", Op::Equal},     {"!=", Op::NotEqual},
                                                          {"<=", Op::LessEqual}, {">=", Op::GreaterEqual},
                                                          {"<", Op::Less},       {">", Op::Greater}};
    for (const auto& [sign, op] : kSigns) {
      if (take(sign)) return op;
    }
    skip();
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("in") && (rest.size() == 2 || !(is_letter(rest[2]) || is_digit(rest[2])))) {
      take("in");
      return Op::In;
    }
    return std::nullopt;
  }

  ExpressionPtr relation() {
    auto left = sum();
    while (true) {
      const std::size_t at = at_;
      const auto op = take_relation();
      if (!op) return left;
      left = binary(*op, at, std::move(left), sum());
    }
  }

  ExpressionPtr sum() {
    auto left = product();
    while (true) {
      const std::size_t at = at_;
      if (take("+")) {
        left = binary(Op::Add, at, std::move(left), product());
      } else if (take("-")) {
        left = binary(Op::Subtract, at, std::move(left), product());
      } else {
        return left;
      }
    }
  }

  ExpressionPtr product() {
    auto left = unary();
    while (true) {
      const std::size_t at = at_;
      if (take("*")) {
        left = binary(Op::Multiply, at, std::move(left), unary());
      } else if (take("/")) {
        left = binary(Op::Divide, at, std::move(left), unary());
      } else if (take("%")) {
        left = binary(Op::Modulo, at, std::move(left), unary());
      } else {
        return left;
      }
    }
  }

  ExpressionPtr unary() {
    const Deeper deeper(*this);
    skip();
    const std::size_t at = at_;
    const bool is_not = at_ < text_.size() && text_[at_] == '!' && !text_.substr(at_).starts_with("!=");
    if (is_not && take("!")) {
      auto made = node(Op::Not, at);
      made->args.push_back(unary());
      return made;
    }
    const bool is_number = at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
    if (!is_number && take("-")) {
      auto made = node(Op::Negate, at);
      made->args.push_back(unary());
      return made;
    }
    return members();
  }

  ExpressionPtr members() {
    auto value = primary();
    while (true) {
      skip();
      const std::size_t at = at_;
      if (take("[")) {
        if (take("?")) refuse(at, "optional values are not supported");
        auto index = conditional();
        expect("]");
        value = binary(Op::Index, at, std::move(value), std::move(index));
      } else if (take(".")) {
        if (take("?")) refuse(at, "optional values are not supported");
        const std::string name = identifier();
        value = take("(") ? method(std::move(value), name, at) : member(std::move(value), name, at);
      } else {
        return value;
      }
    }
  }

  static ExpressionPtr member(ExpressionPtr of, const std::string& name, std::size_t at) {
    auto made = node(Op::Member, at);
    made->name = name;
    made->args.push_back(std::move(of));
    return made;
  }

  ExpressionPtr method(ExpressionPtr of, const std::string& name, std::size_t at) {
    constexpr std::pair<std::string_view, Op> kMacros[] = {{"all", Op::All},
                                                           {"exists", Op::Exists},
                                                           {"exists_one", Op::ExistsOne},
                                                           {"map", Op::MapEach},
                                                           {"filter", Op::Filter}};
    for (const auto& [macro, op] : kMacros) {
      if (macro != name) continue;
      auto made = node(op, at);
      made->args.push_back(std::move(of));
      skip();
      made->name = identifier();
      expect(",");
      made->args.push_back(conditional());
      if (take(",")) refuse(at, "only the form " + name + "(variable, expression) is supported");
      expect(")");
      return made;
    }
    auto made = node(Op::Call, at);
    made->name = name;
    made->method = true;
    made->args.push_back(std::move(of));
    arguments(*made);
    return made;
  }

  void arguments(Expression& call) {
    if (take(")")) return;
    do {
      call.args.push_back(conditional());
    } while (take(","));
    expect(")");
  }

  std::string identifier() {
    skip();
    const std::size_t start = at_;
    if (at_ >= text_.size() || !is_letter(text_[at_])) refuse(at_, "expected a name");
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  ExpressionPtr literal(json::Value value, std::size_t at) {
    auto made = node(Op::Literal, at);
    made->literal = std::move(value);
    return made;
  }

  ExpressionPtr primary() {
    const Deeper deeper(*this);
    skip();
    if (at_ >= text_.size()) refuse(at_, "the expression ends where a value is expected");
    const std::size_t at = at_;
    const char c = text_[at_];
    if (take("(")) {
      auto inner = conditional();
      expect(")");
      return inner;
    }
    if (take("[")) return list(at);
    if (take("{")) return map(at);
    if (is_digit(c) || c == '-' || c == '.') return number();
    if (c == '"' || c == '\'') return literal(string(false), at);
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    const bool quoted = next == '"' || next == '\'';
    if ((c == 'r' || c == 'R') && quoted) {
      ++at_;
      return literal(string(true), at);
    }
    if ((c == 'b' || c == 'B') && quoted) refuse(at, "bytes are not supported");
    return named(at);
  }

  ExpressionPtr named(std::size_t at) {
    const std::string name = identifier();
    if (name == "true" || name == "false") return literal(name == "true", at);
    if (name == "null") return literal(nullptr, at);
    if (!take("(")) {
      if (take("{")) refuse(at, "messages are not supported");
      auto made = node(Op::Name, at);
      made->name = name;
      return made;
    }
    auto made = node(Op::Call, at);
    made->name = name;
    arguments(*made);
    if (name != "has") return made;
    if (made->args.size() != 1 || made->args[0]->op != Op::Member)
      refuse(at, "has() takes one field, such as has(self.name)");
    auto has = std::move(made->args[0]);
    has->op = Op::Has;
    return has;
  }

  ExpressionPtr list(std::size_t at) {
    auto made = node(Op::List, at);
    while (!take("]")) {
      made->args.push_back(conditional());
      if (!take(",")) {
        expect("]");
        break;
      }
    }
    return made;
  }

  ExpressionPtr map(std::size_t at) {
    auto made = node(Op::Map, at);
    while (!take("}")) {
      made->args.push_back(conditional());
      expect(":");
      made->args.push_back(conditional());
      if (!take(",")) {
        expect("}");
        break;
      }
    }
    return made;
  }

  ExpressionPtr number() {
    const std::size_t at = at_;
    const bool minus = text_[at_] == '-';
    std::size_t end = at_ + minus;
    const bool hex = text_.substr(end).starts_with("0x") || text_.substr(end).starts_with("0X");
    if (hex) end += 2;
    bool whole = true;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool exponent = !hex && (c == 'e' || c == 'E');
      if (!(is_digit(c) || (hex && std::isxdigit(static_cast<unsigned char>(c))) || (!hex && c == '.') || exponent))
        break;
      if (c == '.' && (end + 1 >= text_.size() || !is_digit(text_[end + 1]))) break;
      if (c == '.' || exponent) whole = false;
      ++end;
      if (exponent && end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
    }
    const std::string_view digits = text_.substr(at_ + minus + (hex ? 2 : 0), end - at_ - minus - (hex ? 2 : 0));
    if (end < text_.size() && (text_[end] == 'u' || text_[end] == 'U'))
      refuse(at, "unsigned numbers are not supported");
    at_ = end;
    if (whole) {
      const std::string signed_digits = (minus ? "-" : "") + std::string(digits);
      std::int64_t value = 0;
      const char* last = signed_digits.data() + signed_digits.size();
      const auto [stop, error] = std::from_chars(signed_digits.data(), last, value, hex ? 16 : 10);
      if (error != std::errc() || stop != last) refuse(at, "not a number of 64 bits");
      return literal(value, at);
    }
    double value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || stop != digits.data() + digits.size()) refuse(at, "not a number");
    return literal(minus ? -value : value, at);
  }

  std::string string(bool raw) {
    const std::size_t start = at_;
    const char quote = text_[at_];
    const std::string three(3, quote);
    const bool is_long = text_.substr(at_).starts_with(three);
    at_ += is_long ? 3 : 1;
    std::string out;
    while (true) {
      if (at_ >= text_.size() || (!is_long && text_[at_] == '\n')) refuse(start, "a string without an end");
      if (is_long ? text_.substr(at_).starts_with(three) : text_[at_] == quote) break;
      if (text_[at_] == '\\' && !raw) {
        escape(out);
      } else {
        out += text_[at_++];
      }
    }
    at_ += is_long ? 3 : 1;
    return out;
  }

  void escape(std::string& out) {
    const std::size_t start = at_++;
    if (at_ >= text_.size()) refuse(start, "a string without an end");
    constexpr std::string_view kSigns = "abfnrtv\\?\"'`", kMeant = "\a\b\f\n\r\t\v\\?\"'`";
    const char c = text_[at_++];
    if (const auto simple = kSigns.find(c); simple != std::string_view::npos) {
      out += kMeant[simple];
      return;
    }
    const std::size_t digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '3' ? 3 : 0;
    if (digits == 0) refuse(start, "an unknown escape in a string");
    if (digits == 3) --at_;
    std::uint32_t point = 0;
    const std::string_view code = text_.substr(std::min(at_, text_.size()), digits);
    const auto [stop, error] = std::from_chars(code.data(), code.data() + code.size(), point, digits == 3 ? 8 : 16);
    if (error != std::errc() || code.size() != digits || stop != code.data() + code.size() || point > 0x10FFFF ||
        (point >= 0xD800 && point <= 0xDFFF))
      refuse(start, "not a character");
    at_ += digits;
    append_utf8(out, point);
  }

  // No surrogate, at most 0x10FFFF.
  static void append_utf8(std::string& out, std::uint32_t point) {
    const auto rest = [&](int shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += static_cast<char>(0xC0 | point >> 6);
      rest(0);
    } else if (point < 0x10000) {
      out += static_cast<char>(0xE0 | point >> 12);
      rest(6);
      rest(0);
    } else {
      out += static_cast<char>(0xF0 | point >> 18);
      rest(12);
      rest(6);
      rest(0);
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

ExpressionPtr parse(std::string_view text) { return Parser(text).whole(); }

}  // namespace gantry::object::cel
