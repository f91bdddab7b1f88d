// gantry explain: what a kind's fields mean, from the server's OpenAPI v3 documents.
#include "controller/cli/commands.hpp"
#include "controller/cli/nearest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t kTextWidth = 80;

// One group-version's document, and the walk through its schemas.
class Schemas {
 public:
  explicit Schemas(json::Value document) : document_(std::move(document)) {}

  const json::Value* of_kind(const ApiResource& resource) const {
    const json::Value* schemas = document_.at({"components", "schemas"});
    if (!schemas || !schemas->is_object()) return nullptr;
    for (const json::Member& member : schemas->as_object()) {
      const json::Value* kinds = member.value.find("x-kubernetes-group-version-kind");
      if (!kinds || !kinds->is_array()) continue;
      for (const json::Value& kind : kinds->as_array()) {
        const bool same = kind.string_or("kind") == resource.kind && kind.string_or("group") == resource.group &&
                          kind.string_or("version") == resource.version;
        if (same) return &member.value;
      }
    }
    return nullptr;
  }

  // Behind $ref, and behind an allOf of one.
  const json::Value& resolved(const json::Value& schema) const {
    const json::Value* now = &schema;
    for (int depth = 0; depth < 16; ++depth) {
      const json::Value* all = now->find("allOf");
      const json::Value& inner = all && all->is_array() && all->as_array().size() == 1 ? all->as_array().front() : *now;
      const std::string reference = inner.string_or("$ref");
      if (reference.empty()) return inner.find("properties") || !now->find("properties") ? inner : *now;
      const json::Value* target = document_.at({"components", "schemas", reference.substr(reference.rfind('/') + 1)});
      if (!target) return *now;
      now = target;
    }
    return *now;
  }

  // Where the fields of a value stand: in the items of a list, the values of a map, or right here.
  const json::Value& holder(const json::Value& schema) const {
    const json::Value* now = &resolved(schema);
    for (int depth = 0; depth < 16; ++depth) {
      const json::Value* inner = now->find("items");
      if (!inner) inner = now->find("additionalProperties");
      if (!inner || !inner->is_object()) return *now;
      now = &resolved(*inner);
    }
    return *now;
  }

  std::string type_of(const json::Value& schema) const {
    const json::Value& real = resolved(schema);
    if (const json::Value* items = real.find("items")) return "[]" + type_of(*items);
    const json::Value* values = real.find("additionalProperties");
    if (values && values->is_object()) return "map[string]" + type_of(*values);
    if (real.bool_or("x-kubernetes-int-or-string", false)) return "IntOrString";
    const std::string type = real.string_or("type");
    if (type == "object" || real.find("properties")) return "Object";
    return type.empty() ? "any" : type;
  }

 private:
  json::Value document_;
};

std::string wrapped(std::string_view text, const std::string& indent) {
  std::string out, line;
  const auto flush = [&] {
    if (!line.empty()) out += indent + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(" \n");
    const std::string_view word = text.substr(0, end);
    if (line.size() + word.size() + 1 > kTextWidth - indent.size()) flush();
    if (!word.empty()) line += (line.empty() ? "" : " ") + std::string(word);
    if (end == std::string_view::npos) break;
    if (text[end] == '\n') flush();
    text.remove_prefix(end + 1);
  }
  flush();
  return out;
}

class Explanation {
 public:
  Explanation(Context& context, const Schemas& schemas) : context_(context), schemas_(schemas) {}

  void print(const json::Value& kind, const std::vector<std::string>& path) {
    const json::Value* schema = &kind;
    std::string description = text_about(kind);
    for (std::size_t i = 0; i < path.size(); ++i) {
      schema = step(*schema, path, i);
      description = text_about(*schema);
    }
    std::ostream& out = context_.out();
    if (!path.empty()) out << "FIELD: " << path.back() << " <" << schemas_.type_of(*schema) << ">\n";
    print_details(*schema, path.empty() ? "" : "    ");
    out << "\nDESCRIPTION:\n" << wrapped(description.empty() ? "<empty>" : description, "    ");
    const json::Value& holder = schemas_.holder(*schema);
    if (!holder.find("properties")) return;
    out << "\nFIELDS:\n";
    print_fields(holder, "  ", context_.flags().on("recursive"));
  }

 private:
  std::string text_about(const json::Value& schema) const {
    std::string text = schema.string_or("description");
    return text.empty() ? schemas_.resolved(schema).string_or("description") : text;
  }

  const json::Value* step(const json::Value& schema, const std::vector<std::string>& path, std::size_t at) const {
    const json::Value* properties = schemas_.holder(schema).find("properties");
    const json::Value* next = properties ? properties->find(path[at]) : nullptr;
    if (next) return next;
    std::string message = "field \"" + path[at] + "\" does not exist";
    std::vector<std::string_view> names;
    if (properties && properties->is_object()) {
      for (const json::Member& member : properties->as_object()) names.push_back(member.key);
    }
    if (const auto near = nearest(path[at], names)) message += "; did you mean \"" + *near + "\"?";
    throw Error(ErrorCode::NotFound, message);
  }

  void print_details(const json::Value& schema, const std::string& indent) {
    const json::Value& real = schemas_.resolved(schema);
    std::ostream& out = context_.out();
    if (const json::Value* words = real.find("enum"); words && words->is_array()) {
      out << indent << "one of: ";
      for (std::size_t i = 0; i < words->as_array().size(); ++i)
        out << (i ? ", " : "") << text_of(words->as_array()[i]);
      out << "\n";
    }
    if (const json::Value* otherwise = schema.find("default");
        otherwise && !(otherwise->is_object() && otherwise->as_object().empty())) {
      out << indent << "default: " << text_of(*otherwise) << "\n";
    }
    for (const auto& [field, word] :
         {std::pair("minimum", "at least: "), std::pair("maximum", "at most: "), std::pair("pattern", "pattern: ")}) {
      if (const json::Value* limit = real.find(field)) out << indent << word << text_of(*limit) << "\n";
    }
  }

  void print_fields(const json::Value& holder, const std::string& indent, bool recursive) {
    const json::Value* required = holder.find("required");
    for (const json::Member& member : holder.find("properties")->as_object()) {
      const bool must =
          required && required->is_array() && std::ranges::any_of(required->as_array(), [&](const json::Value& name) {
            return name.is_string() && name.as_string() == member.key;
          });
      const Style& style = context_.style();
      context_.out() << indent << style.bold(member.key) << "\t<" << schemas_.type_of(member.value) << ">"
                     << (must ? style.yellow(" -required-") : "") << "\n";
      const json::Value& inner = schemas_.holder(member.value);
      if (recursive) {
        if (inner.find("properties") && indent.size() < 40) print_fields(inner, indent + "  ", true);
        continue;
      }
      print_details(member.value, indent + "  ");
      context_.out() << wrapped(text_about(member.value), indent + "  ") << "\n";
    }
  }

  Context& context_;
  const Schemas& schemas_;
};

json::Value document_for(Context& context, const ApiResource& resource) {
  const json::Value index = context.ask({.path = "/openapi/v3"});
  const std::string name = (resource.group.empty() ? "api/" : "apis/") + resource.api_version();
  const json::Value* entry = index.at({"paths", name});
  if (!entry) throw Error(ErrorCode::NotFound, "the server describes no fields of " + resource.api_version());
  return context.ask({.path = entry->string_or("serverRelativeURL")});
}

int explain(Context& context) {
  if (context.operands().size() != 1)
    throw UsageError("say what: gantry explain TYPE[.FIELD...], such as app.spec.ports");
  const std::string& word = context.operands().front();
  std::vector<std::string> path;
  const std::size_t dot = word.find('.');
  for (std::size_t at = dot; at != std::string::npos;) {
    const std::size_t next = word.find('.', at + 1);
    path.push_back(word.substr(at + 1, next == std::string::npos ? next : next - at - 1));
    at = next;
  }
  if (!path.empty() && path.back().empty()) path.pop_back();
  const ResourcePtr resource = context.discovery().resource(word.substr(0, dot));
  const Schemas schemas(document_for(context, *resource));
  const json::Value* kind = schemas.of_kind(*resource);
  if (!kind) throw Error(ErrorCode::NotFound, "the server describes no fields of " + resource->kind);
  if (!resource->group.empty()) context.out() << "GROUP:      " << resource->group << "\n";
  context.out() << "KIND:       " << resource->kind << "\nVERSION:    " << resource->version << "\n\n";
  Explanation(context, schemas).print(*kind, path);
  return kOk;
}

}  // namespace

Command explain_command() {
  return {
      .name = "explain",
      .group = "Learn",
      .usage = "TYPE[.FIELD...]",
      .summary = "Explain a kind's fields",
      .help =
          "Examples:\n"
          "  gantry explain app\n"
          "  gantry explain app.spec.health\n"
          "  gantry explain tunnel.spec --recursive\n",
      .flags = {{.name = "recursive", .help = "all fields below, without their descriptions"}},
      .run = explain,
  };
}

}  // namespace gantry::cli
