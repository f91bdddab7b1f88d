#include "controller/cli/plan_view.hpp"

#include "controller/cli/conditions.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/server.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kSensitive = "(sensitive value)";
// What the heading has said already.
constexpr std::string_view kNamed[] = {"apiVersion", "kind", "metadata.name", "metadata.namespace"};

std::string shown(const json::Value& value) {
  if (value.is_string() && value.as_string() == kSensitive) return std::string(kSensitive);
  return json::dump(value);
}

struct Mark {
  std::string text;  // "+", "~", "-", "-/+"
  std::string colored;
};

Mark mark_of(std::string_view verb, const Style& style) {
  if (equal_without_case(verb, "create")) return {"+", style.green("+")};
  if (equal_without_case(verb, "delete")) return {"-", style.red("-")};
  if (equal_without_case(verb, "replace")) return {"-/+", style.red("-") + "/" + style.green("+")};
  if (equal_without_case(verb, "run")) return {">", style.cyan(">")};
  return {"~", style.yellow("~")};
}

// Spec and metadata differ by field; a Secret's values are never shown, whatever the server sent.
void print_fields(std::ostream& out, const json::Value& item, bool secret, const Style& style) {
  const json::Value* fields = item.find("fields");
  if (!fields || !fields->is_array()) return;
  static const json::Value kNone;
  for (const json::Value& field : fields->as_array()) {
    const json::Value* found_before = field.find("before");
    const json::Value* found_after = field.find("after");
    const json::Value& before = found_before ? *found_before : kNone;
    const json::Value& after = found_after ? *found_after : kNone;
    const std::string path = field.string_or("path");
    if (std::ranges::find(kNamed, path) != std::end(kNamed)) continue;
    const bool hidden = secret && (path.starts_with("data") || path.starts_with("stringData"));
    const auto text = [hidden](const json::Value& value) { return hidden ? std::string(kSensitive) : shown(value); };
    const Mark mark = mark_of(before.is_null() ? "create" : after.is_null() ? "delete" : "update", style);
    out << "      " << mark.colored << " " << path << ": ";
    if (!before.is_null() && !after.is_null()) {
      out << text(before) << " -> " << text(after);
    } else {
      out << text(after.is_null() ? before : after);
    }
    out << "\n";
  }
}

void print_action(std::ostream& out, const json::Value& action, const Style& style, PlanCounts& counts) {
  const Mark mark = mark_of(action.string_or("verb"), style);
  out << "      " << std::string(3 - std::min<std::size_t>(3, mark.text.size()), ' ') << mark.colored << " "
      << action.string_or("type") << " " << action.string_or("target");
  if (const std::string reason = action.string_or("reason"); !reason.empty()) out << ": " << reason;
  if (action.bool_or("destructive", false)) {
    ++counts.destructive;
    out << " " << style.red("# destroys what it holds");
  }
  out << "\n";
  const json::Value* before = action.find("before");
  const json::Value* after = action.find("after");
  if (!before || !after || !before->is_object() || !after->is_object()) return;
  for (const json::Member& member : after->as_object()) {
    const json::Value* old = before->find(member.key);
    if (old && *old == member.value) continue;
    out << "            " << member.key << ": " << (old ? shown(*old) : "(none)") << " -> " << shown(member.value)
        << "\n";
  }
}

void print_actions(std::ostream& out, const json::Value& item, const Style& style, PlanCounts& counts) {
  const json::Value* plan = item.find("plan");
  if (!plan || !plan->is_object()) return;
  const json::Value* actions = plan->find("actions");
  if (actions && actions->is_array() && !actions->as_array().empty()) {
    out << "    and then:\n";
    for (const json::Value& action : actions->as_array()) print_action(out, action, style, counts);
  }
  if (const json::Value* after = plan->find("after"); after && after->is_array()) {
    out << "    after";
    for (const json::Value& first : after->as_array()) out << " " << (first.is_string() ? first.as_string() : "");
    out << ", and then what gantry plan shows once that is there\n";
  }
  if (plan->bool_or("blocked", false)) {
    out << "    " << style.yellow("blocked:") << " " << plan->string_or("blockedReason");
    if (const std::string message = plan->string_or("blockedMessage"); !message.empty()) out << ": " << message;
    out << "\n";
  }
}

// Fields that somebody else has: apply is refused because of them.
void print_conflicts(std::ostream& out, const json::Value& item, const Style& style) {
  const json::Value* conflicts = item.find("conflicts");
  if (!conflicts || !conflicts->is_array()) return;
  for (const json::Value& conflict : conflicts->as_array()) {
    out << "      " << style.red("!") << " " << conflict.string_or("field") << ": " << conflict.string_or("message")
        << "; apply needs --force-conflicts\n";
  }
}

void print_refusal(std::ostream& out, const Error& error, const std::function<std::string(const std::string&)>& where) {
  const std::size_t list = error.causes.empty() ? std::string::npos : error.message().find(" is invalid: ");
  if (list == std::string::npos) {
    out << error.message() << "\n";
    return;
  }
  out << error.message().substr(0, list) << " is invalid\n";
  for (const FieldError& cause : error.causes) {
    out << "      " << (where ? where(cause.field) : "") << cause.field << ": " << cause.message << "\n";
  }
}

bool has_actions(const json::Value& item) {
  const json::Value* actions = item.at({"plan", "actions"});
  return actions && actions->is_array() && !actions->as_array().empty();
}

}  // namespace

void print_plan_item(std::ostream& out, const json::Value& item, const Style& style, PlanCounts& counts,
                     const std::function<std::string(const std::string&)>& where) {
  static const json::Value kNothing = json::Object{};
  const json::Value* found = item.find("object");
  const json::Value& object = found ? *found : kNothing;
  const std::string ns = object.string_or("namespace");
  const std::string label = label_of(object) + object.string_or("name") + (ns.empty() ? "" : " in " + ns);

  if (const json::Value* error = item.find("error"); error && !error->is_null()) {
    ++counts.failed;
    print_refusal(out << "  " << style.red("!") << " " << style.bold(label) << " would be refused: ",
                  error_of_status(*error, 422), where);
    return;
  }
  const std::string change = item.string_or("change");
  const bool created = change == "create";
  const bool deleted = change == "delete";
  const bool changed = change == "configure";
  if (!created && !deleted && !changed && !has_actions(item)) return;
  (created ? counts.add : deleted ? counts.destroy : counts.change) += 1;
  out << "  "
      << mark_of(created   ? "create"
                 : deleted ? "delete"
                           : "update",
                 style)
             .colored
      << " " << style.bold(label)
      << (created   ? " will be created"
          : deleted ? " will be deleted"
          : changed ? " will be changed"
                    : " stays as declared, but what is real has drifted")
      << "\n";
  const bool secret = object.string_or("kind") == "Secret" && object.string_or("apiVersion") == "v1";
  print_fields(out, item, secret, style);
  print_conflicts(out, item, style);
  print_actions(out, item, style, counts);
}

std::string plan_summary(const PlanCounts& counts) {
  const std::string refused = counts.failed ? std::to_string(counts.failed) + " would be refused." : "";
  if (!counts.anything()) return counts.failed ? refused : "No changes.";
  return "Plan: " + std::to_string(counts.add) + " to add, " + std::to_string(counts.change) + " to change, " +
         std::to_string(counts.destroy) + " to destroy." + (refused.empty() ? "" : " " + refused);
}

}  // namespace gantry::cli
