#include "controller/object/selector.hpp"

#include <algorithm>
#include <optional>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/names.hpp"

namespace gantry::object {

namespace {

constexpr std::size_t kTermsMax = 1000;

// Reads "a=b, c in (x,y), !d" word by word.
class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : text_(text) {}

  bool at_end() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    return at_ == text_.size();
  }

  bool take(std::string_view symbol) {
    if (at_end() || !text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  // Letters up to the next separator; may be empty.
  std::string_view word() {
    at_end();
    const std::size_t from = at_;
    while (at_ < text_.size() && std::string_view(" \t,()=!<>").find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(from, at_ - from);
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::BadRequest, "unable to parse requirement: " + std::string(why) + " at position " +
                                           std::to_string(at_) + " of the label selector " +
                                           quoted(text_.substr(0, 200)));
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string checked_key(LabelParser& parser) {
  const std::string_view key = parser.word();
  if (key.empty()) parser.fail("a label key is expected");
  if (const std::string problem = label_key_problem(key); !problem.empty())
    parser.fail("key " + quoted(key) + ": " + problem);
  return std::string(key);
}

std::string checked_value(LabelParser& parser) {
  const std::string_view value = parser.word();
  if (const std::string problem = label_value_problem(value); !problem.empty())
    parser.fail("value " + quoted(value) + ": " + problem);
  return std::string(value);
}

std::vector<std::string> value_set(LabelParser& parser) {
  if (!parser.take("(")) parser.fail("'(' is expected");
  std::vector<std::string> values;
  do {
    values.push_back(checked_value(parser));
    if (values.size() > kTermsMax) parser.fail("too many values");
  } while (parser.take(","));
  if (!parser.take(")")) parser.fail("',' or ')' is expected");
  return values;
}

}  // namespace

LabelSelector LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  LabelParser parser(text);
  if (parser.at_end()) return selector;
  do {
    if (selector.requirements_.size() >= kTermsMax) parser.fail("too many terms");
    if (parser.take("!")) {
      selector.requirements_.push_back({checked_key(parser), Op::Absent, {}});
      continue;
    }
    Requirement requirement{checked_key(parser), Op::Exists, {}};
    if (parser.take("==") || parser.take("=")) {
      requirement.op = Op::In;
      requirement.values = {checked_value(parser)};
    } else if (parser.take("!=")) {
      requirement.op = Op::NotIn;
      requirement.values = {checked_value(parser)};
    } else if (const std::string_view word = parser.word(); word == "in" || word == "notin") {
      requirement.op = word == "in" ? Op::In : Op::NotIn;
      requirement.values = value_set(parser);
    } else if (!word.empty()) {
      parser.fail("an operator (=, !=, in, notin) is expected instead of " + quoted(word));
    }
    selector.requirements_.push_back(std::move(requirement));
  } while (parser.take(","));
  if (!parser.at_end()) parser.fail("',' or an operator is expected");
  return selector;
}

LabelSelector LabelSelector::from_json(const json::Value& selector) {
  LabelSelector made;
  std::vector<FieldError> causes;
  const auto check_key = [&](const std::string& key, const std::string& at) {
    if (const std::string problem = label_key_problem(key); !problem.empty())
      causes.push_back(invalid(at, json::Value(key), problem));
  };
  if (const auto* labels = selector.find("matchLabels"); labels && labels->is_object()) {
    for (const auto& [key, value] : labels->as_object()) {
      check_key(key, "matchLabels");
      made.requirements_.push_back({key, Op::In, {value.as_string()}});
    }
  }
  const auto* expressions = selector.find("matchExpressions");
  std::size_t i = 0;
  for (const auto& expression : expressions && expressions->is_array() ? expressions->as_array() : json::Array()) {
    const std::string at = "matchExpressions[" + std::to_string(i++) + "]";
    Requirement requirement{expression.string_or("key"), Op::Exists, {}};
    check_key(requirement.key, at + ".key");
    if (const auto* values = expression.find("values"); values && values->is_array()) {
      for (const auto& value : values->as_array()) requirement.values.push_back(value.as_string());
    }
    const std::string op = expression.string_or("operator");
    static const std::vector<std::string> kOperators{"DoesNotExist", "Exists", "In", "NotIn"};
    if (op == "In" || op == "NotIn") {
      requirement.op = op == "In" ? Op::In : Op::NotIn;
      if (requirement.values.empty())
        causes.push_back(required(at + ".values", "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (op == "Exists" || op == "DoesNotExist") {
      requirement.op = op == "Exists" ? Op::Exists : Op::Absent;
      if (!requirement.values.empty())
        causes.push_back(
            forbidden(at + ".values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    } else {
      causes.push_back(not_supported(at + ".operator", json::Value(op), kOperators));
    }
    made.requirements_.push_back(std::move(requirement));
  }
  if (causes.empty()) return made;
  Error error(ErrorCode::Invalid, "label selector: " + causes.front().field + ": " + causes.front().message);
  error.causes = std::move(causes);
  throw error;
}

bool LabelSelector::matches(const Meta& meta) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    const std::string* value = meta.label(requirement.key);
    const auto listed = [&] { return std::ranges::find(requirement.values, *value) != requirement.values.end(); };
    switch (requirement.op) {
      case Op::In:
        return value && listed();
      case Op::NotIn:
        return !value || !listed();
      case Op::Exists:
        return value != nullptr;
      case Op::Absent:
        return value == nullptr;
    }
    return false;
  });
}

namespace {

// Splits at commas that are not escaped; \\ , and = may be escaped in values.
std::string unescaped(std::string_view text, std::string_view whole) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (i + 1 < text.size() && std::string_view("\\,=").find(text[i + 1]) != std::string_view::npos) {
      out += text[++i];
    } else {
      throw Error(ErrorCode::BadRequest,
                  "invalid field selector " + quoted(whole.substr(0, 200)) + ": invalid escape sequence");
    }
  }
  return out;
}

FieldSelector::Term field_term(std::string_view text, std::string_view whole) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
      continue;
    }
    const std::string_view rest = text.substr(i);
    const std::size_t length = rest.starts_with("!=") || rest.starts_with("==") ? 2 : rest.starts_with("=") ? 1 : 0;
    if (length == 0) continue;
    const std::string_view path = text.substr(0, i);
    if (path.empty()) break;
    return {std::string(path), rest.front() == '=', unescaped(rest.substr(length), whole)};
  }
  throw Error(ErrorCode::BadRequest, "invalid selector: " + quoted(whole.substr(0, 200)) + "; can't understand " +
                                         quoted(text.substr(0, 200)));
}

// "metadata.name" in an object; null when it is not there.
const json::Value* walk(const json::Value& object, std::string_view path) {
  const json::Value* here = &object;
  while (here && !path.empty()) {
    const auto dot = path.find('.');
    here = here->find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return here;
}

std::string text_of(const json::Value* value) {
  if (!value || value->is_null()) return {};
  return value->is_string() ? value->as_string() : json::dump(*value);
}

}  // namespace

FieldSelector FieldSelector::parse(std::string_view text) {
  FieldSelector selector;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
      continue;
    }
    if (i < text.size() && text[i] != ',') continue;
    std::string_view term = text.substr(from, std::min(i, text.size()) - from);
    while (!term.empty() && term.front() == ' ') term.remove_prefix(1);
    if (!term.empty()) selector.terms_.push_back(field_term(term, text));
    if (selector.terms_.size() > kTermsMax) throw Error(ErrorCode::BadRequest, "a field selector has too many terms");
    from = i + 1;
  }
  if (from < text.size()) selector.terms_.push_back(field_term(text.substr(from), text));
  return selector;
}

const std::string* FieldSelector::exact_name() const {
  for (const auto& term : terms_) {
    if (term.equal && term.path == "metadata.name") return &term.value;
  }
  return nullptr;
}

bool FieldSelector::matches(const Object& object) const {
  std::optional<json::Value> decoded;
  for (const auto& term : terms_) {
    bool same = false;
    if (term.path == "metadata.name") {
      same = object.key().name == term.value;
    } else if (term.path == "metadata.namespace") {
      same = object.key().ns == term.value;
    } else {
      if (!decoded) decoded = object.decode();
      same = text_of(walk(*decoded, term.path)) == term.value;
    }
    if (same != term.equal) return false;
  }
  return true;
}

}  // namespace gantry::object
