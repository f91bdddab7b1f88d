#include "controller/object/cel/rule.hpp"

#include <algorithm>

#include "controller/object/cel/check.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object::cel {
namespace {

using json::Value;

// As upstream bounds them: at definition, for the worst object; and each time a rule is asked.
constexpr double kEstimateMax = 10'000'000;
constexpr double kCallMax = 1'000'000;
constexpr std::size_t kMessageMax = 5120;

constexpr std::string_view kKnown[] = {"rule", "message", "messageExpression", "reason", "fieldPath"};

std::string located(std::string_view text, const Refusal& refusal) {
  const auto before = text.substr(0, std::min(refusal.at, text.size()));
  const auto line = std::ranges::count(before, '\n') + 1;
  const auto column = before.size() - (before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1) + 1;
  return "compilation failed: ERROR: <input>:" + std::to_string(line) + ":" + std::to_string(column) + ": " +
         refusal.why;
}

std::string one_line(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return text;
}

class Compiling {
 public:
  Compiling(const Value& source, const Place& place, const std::string& path, std::vector<FieldError>& causes)
      : source_(source), place_(place), path_(path), causes_(causes) {}

  void known_members() {
    for (const auto& [key, unused] : source_.as_object()) {
      if (std::ranges::find(kKnown, key) == std::end(kKnown))
        causes_.push_back(forbidden(path_ + "." + key, key + " is not supported"));
    }
  }

  // Null when it is refused.
  ExpressionPtr expression(std::string_view key, Type::Is wanted, double& cost) {
    const std::string text = source_.string_or(key);
    const std::string at = path_ + "." + std::string(key);
    const auto self = type_of(place_.node);
    if (!self) {
      causes_.push_back(invalid(at, Value(text), "rules cannot look at a value without a type"));
      return nullptr;
    }
    try {
      ExpressionPtr made = parse(text);
      Variables variables{{"self", *self}, {"oldSelf", *self}};
      cost = check(*made, variables);
      if (made->type.is != wanted)
        throw Refusal{0, std::string("must evaluate to ") + (wanted == Type::Is::Bool ? "a bool" : "a string")};
      if (uses(*made, "oldSelf") && !place_.correlatable) {
        causes_.push_back(invalid(
            at, Value(text), "oldSelf cannot be used on the uncorrelatable portion of the schema within " + path_));
        return nullptr;
      }
      if (cost * place_.occurrences > kEstimateMax) {
        causes_.push_back(forbidden(at, "estimated rule cost exceeds budget by factor of " +
                                            factor(cost * place_.occurrences / kEstimateMax) +
                                            " (try simplifying the rule, or adding maxItems, maxProperties, and "
                                            "maxLength where arrays, maps, and strings are declared)"));
        return nullptr;
      }
      return made;
    } catch (const Refusal& refusal) {  // becomes one of the causes
      causes_.push_back(invalid(at, Value(text), located(text, refusal)));
      return nullptr;
    }
  }

  // .a.b, from the value down; must be a field of the schema. Empty stays empty.
  std::string field_path() {
    const std::string path = source_.string_or("fieldPath");
    const Schema::Node* node = &place_.node;
    for (std::size_t at = 0; at < path.size();) {
      const std::size_t end = std::min(path.find('.', at + 1), path.size());
      node = path[at] == '.' && node ? node->property(path.substr(at + 1, end - at - 1)) : nullptr;
      at = end;
      if (node) continue;
      causes_.push_back(invalid(path_ + ".fieldPath", Value(path), "must be a path of fields of the schema, .a.b"));
      return {};
    }
    return path;
  }

 private:
  static std::string factor(double times) {
    if (times > 100) return "more than 100x";
    return std::to_string(times).substr(0, 4) + "x";
  }

  const Value& source_;
  const Place& place_;
  const std::string& path_;
  std::vector<FieldError>& causes_;
};

std::string_view type_name(const Schema::Node& node) {
  switch (node.type) {
    case Schema::Node::Type::Object:
      return "object";
    case Schema::Node::Type::Array:
      return "array";
    case Schema::Node::Type::String:
      return "string";
    case Schema::Node::Type::Integer:
      return "integer";
    case Schema::Node::Type::Number:
      return "number";
    case Schema::Node::Type::Boolean:
      return "boolean";
    default:
      return "";
  }
}

}  // namespace

std::unique_ptr<Rule> Rule::compile(const Value& source, const Place& place, const std::string& path,
                                    std::vector<FieldError>& causes) {
  if (!source.is_object()) {
    causes.push_back(type_invalid(path, Value(source.type_name()), "must be an object"));
    return nullptr;
  }
  for (const auto key : kKnown) {
    const Value* value = source.find(key);
    if (!value || value->is_string()) continue;
    causes.push_back(type_invalid(path + "." + std::string(key), Value(value->type_name()), "must be a string"));
    return nullptr;
  }
  const std::size_t before = causes.size();
  Compiling compiling(source, place, path, causes);
  compiling.known_members();
  std::unique_ptr<Rule> made(new Rule);
  made->text_ = source.string_or("rule");
  if (made->text_.find_first_not_of(" \t\r\n") == std::string::npos) {
    causes.push_back(required(path + ".rule", "rule is not specified"));
    return nullptr;
  }
  made->type_ = type_name(place.node);
  made->message_ = source.string_or("message");
  if (made->message_.empty() && made->text_.find('\n') != std::string::npos)
    causes.push_back(required(path + ".message", "message must be specified if rule contains line breaks"));
  if (made->message_.find('\n') != std::string::npos)
    causes.push_back(invalid(path + ".message", Value(made->message_), "message must not contain line breaks"));
  made->reason_ = source.string_or("reason", "FieldValueInvalid");
  static const std::vector<std::string> kReasons{"FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden",
                                                 "FieldValueDuplicate"};
  if (std::ranges::find(kReasons, made->reason_) == kReasons.end())
    causes.push_back(not_supported(path + ".reason", Value(made->reason_), kReasons));
  made->field_path_ = compiling.field_path();
  double cost = 0;
  made->rule_ = compiling.expression("rule", Type::Is::Bool, cost);
  if (!source.string_or("messageExpression").empty())
    made->message_expression_ = compiling.expression("messageExpression", Type::Is::String, cost);
  if (causes.size() > before) return nullptr;
  made->is_transition_ = uses(*made->rule_, "oldSelf");
  return made;
}

FieldError Rule::failure(const std::string& path, std::string_view message) const {
  const std::string where = path + field_path_;
  if (reason_ == "FieldValueForbidden") return forbidden(where, message);
  if (reason_ == "FieldValueRequired") return required(where, message);
  if (reason_ == "FieldValueDuplicate") return duplicate(where, Value(type_));
  return invalid(where, Value(type_), message);
}

void Rule::check(const Value& value, const Value* old, const std::string& path, Budget& budget,
                 std::vector<FieldError>& causes) const {
  if (is_transition_ && !old) return;
  std::vector<Binding> bindings{{"self", &value}};
  if (old) bindings.push_back({"oldSelf", old});
  // One rule may not take all that the object has.
  Budget own{std::min(kCallMax, budget.left)};
  const double before = own.left;
  const auto answer = evaluate(*rule_, bindings, own);
  budget.left -= before - own.left;
  const std::string where = path.empty() ? "<nil>" : path;
  if (!answer) {
    causes.push_back(
        invalid(where, Value(type_), answer.error() + " evaluating rule: " + (message_.empty() ? text_ : message_)));
    return;
  }
  if (answer->as_bool()) return;
  std::string message = message_.empty() ? "failed rule: " + text_ : message_;
  if (message_expression_) {
    Budget for_message{kCallMax};
    const auto said = evaluate(*message_expression_, bindings, for_message);
    const std::string text = said && said->is_string() ? one_line(said->as_string()) : std::string();
    // An expression that fails, or says nothing, leaves the word to the message.
    if (text.find_first_not_of(' ') != std::string::npos && text.size() <= kMessageMax) message = text;
  }
  causes.push_back(failure(field_path_.empty() ? where : path, message));
}

}  // namespace gantry::object::cel
