#include "controller/api/definition_rules.hpp"

#include <algorithm>

#include "controller/object/characters.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/jsonpath.hpp"
#include "controller/object/names.hpp"
#include "controller/object/schema_node.hpp"
#include "controller/object/versions.hpp"

namespace gantry::api {
namespace {

using json::Value;
using object::invalid;
using object::quoted;
using object::required;

constexpr std::string_view kApproval = "api-approved.kubernetes.io";

const Value& member(const Value& value, std::string_view key) {
  static const Value none;
  const Value* found = value.find(key);
  return found ? *found : none;
}

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> out;
  if (!list.is_array()) return out;
  for (const auto& item : list.as_array()) out.push_back(item.as_string());
  return out;
}

// A path of plain steps: .spec.replicas, .metadata.labels.app.
bool is_plain_path(std::string_view path) {
  if (path.size() < 2 || path.front() != '.') return false;
  return path.find_first_of("[]{}()*?@'\" ") == path.npos && path.find("..") == path.npos && path.back() != '.';
}

class Checks {
 public:
  Checks(const Value& definition, const Value* old, std::vector<FieldError>& causes)
      : definition_(definition), spec_(*definition.find("spec")), old_(old), causes_(causes) {}

  void run() {
    names();
    group();
    versions();
    if (old_) unchanged();
  }

 private:
  void add(FieldError cause) { causes_.push_back(std::move(cause)); }

  void label(const std::string& field, const std::string& name) {
    if (const std::string what = object::dns_label_problem(name); !what.empty()) add(invalid(field, Value(name), what));
  }

  void names() {
    const Value& names = *spec_.find("names");
    label("spec.names.plural", names.string_or("plural"));
    label("spec.names.singular", names.string_or("singular"));
    label("spec.names.kind", object::lower_ascii(names.string_or("kind")));
    label("spec.names.listKind", object::lower_ascii(names.string_or("listKind")));
    for (const std::string_view list : {"shortNames", "categories"}) {
      std::size_t i = 0;
      for (const auto& name : texts(member(names, list)))
        label("spec.names." + std::string(list) + "[" + std::to_string(i++) + "]", name);
    }
    if (names.string_or("kind") == names.string_or("listKind"))
      add(invalid("spec.names.listKind", Value(names.string_or("listKind")), "kind and listKind may not be the same"));
    const std::string wanted = names.string_or("plural") + "." + spec_.string_or("group");
    const std::string name = member(definition_, "metadata").string_or("name");
    if (name != wanted) add(invalid("metadata.name", Value(name), "must be spec.names.plural+\".\"+spec.group"));
  }

  void group() {
    const std::string group = spec_.string_or("group");
    if (const std::string what = object::subdomain_problem(group); !what.empty()) {
      add(invalid("spec.group", Value(group), what));
    } else if (group.find('.') == std::string::npos) {
      add(invalid("spec.group", Value(group), "should be a domain with at least one dot"));
    } else if (group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io")) {
      const Value* annotations = definition_.at({"metadata", "annotations"});
      if (!annotations || annotations->string_or(kApproval).empty()) {
        add(required("metadata.annotations[" + std::string(kApproval) + "]",
                     "protected groups must have approval annotation \"api-approved.kubernetes.io\", see "
                     "https://github.com/kubernetes/enhancements/pull/1111"));
      }
    }
  }

  void versions() {
    std::vector<std::string> seen;
    std::size_t served = 0, stored = 0, i = 0;
    for (const auto& version : spec_.find("versions")->as_array()) {
      const std::string at = "spec.versions[" + std::to_string(i++) + "]";
      const std::string name = version.string_or("name");
      label(at + ".name", name);
      if (std::ranges::find(seen, name) != seen.end()) add(object::duplicate(at + ".name", Value(name)));
      seen.push_back(name);
      const bool is_served = version.bool_or("served", false), is_stored = version.bool_or("storage", false);
      served += is_served;
      stored += is_stored;
      if (!version.at({"schema", "openAPIV3Schema"})) {
        add(required(at + ".schema.openAPIV3Schema", "schemas are required"));
        continue;
      }
      columns(version, at);
      scale(version, at);
      selectable(version, at);
    }
    if (stored != 1) {
      add(invalid("spec.versions", Value("spec.versions"), "must have exactly one version marked as storage version"));
    } else if (served == 0) {
      add(invalid("spec.versions", Value("spec.versions"), "must have one version that is served"));
    } else if (causes_.empty()) {
      schemas();
    }
  }

  // Each schema compiles, or says why it does not.
  void schemas() {
    const json::Array& versions = spec_.find("versions")->as_array();
    for (std::size_t i = 0; i < versions.size(); ++i) {
      try {
        selectable_types(*object::kind_of_version(definition_, i), versions[i],
                         "spec.versions[" + std::to_string(i) + "]");
      } catch (const Error& error) {
        if (error.causes.empty()) throw;
        std::ranges::copy(error.causes, std::back_inserter(causes_));
      }
    }
  }

  void columns(const Value& version, const std::string& at_version) {
    static const std::vector<std::string> kTypes{"boolean", "date", "integer", "number", "string"};
    const Value& list = member(version, "additionalPrinterColumns");
    if (!list.is_array()) return;
    std::size_t i = 0;
    for (const auto& column : list.as_array()) {
      const std::string at = at_version + ".additionalPrinterColumns[" + std::to_string(i++) + "]";
      const std::string type = column.string_or("type");
      if (std::ranges::find(kTypes, type) == kTypes.end()) {
        add(object::not_supported(at + ".type", Value(type), kTypes));
      }
      try {
        object::JsonPath::parse(column.string_or("jsonPath"));
      } catch (const Error& error) {  // becomes one of the causes
        add(invalid(at + ".jsonPath", Value(column.string_or("jsonPath")), error.message()));
      }
    }
  }

  void scale(const Value& version, const std::string& at_version) {
    const Value* scale = version.at({"subresources", "scale"});
    if (!scale || !scale->is_object()) return;
    const auto path = [&](std::string_view key, std::initializer_list<std::string_view> below) {
      const std::string given = scale->string_or(key);
      const std::string at = at_version + ".subresources.scale." + std::string(key);
      if (given.empty()) return;
      const bool fits = std::ranges::any_of(below, [&](std::string_view root) { return given.starts_with(root); });
      if (!is_plain_path(given)) {
        add(invalid(at, Value(given), "should be a simple json path without array notation"));
      } else if (!fits) {
        std::string roots;
        for (const auto root : below) roots.append(roots.empty() ? "" : " or ").append(root.substr(0, root.size() - 1));
        add(invalid(at, Value(given), "should be a json path under " + roots));
      }
    };
    path("specReplicasPath", {".spec."});
    path("statusReplicasPath", {".status."});
    path("labelSelectorPath", {".spec.", ".status."});
  }

  void selectable(const Value& version, const std::string& at_version) {
    const Value& list = member(version, "selectableFields");
    if (!list.is_array()) return;
    std::vector<std::string> seen;
    std::size_t i = 0;
    for (const auto& field : list.as_array()) {
      const std::string at = at_version + ".selectableFields[" + std::to_string(i++) + "].jsonPath";
      const std::string path = field.string_or("jsonPath");
      if (std::ranges::find(seen, path) != seen.end()) add(object::duplicate(at, Value(path)));
      seen.push_back(path);
      if (!is_plain_path(path)) {
        add(invalid(at, Value(path), "must be a simple path without array notation"));
      } else if (path.starts_with(".metadata")) {
        add(invalid(at, Value(path), "must not point to fields in metadata"));
      }
    }
  }

  // What a field selector compares must be text, a whole number or a truth value.
  void selectable_types(const object::Kind& kind, const Value& version, const std::string& at_version) {
    const Value& list = member(version, "selectableFields");
    if (!list.is_array()) return;
    std::size_t i = 0;
    for (const auto& field : list.as_array()) {
      const std::string at = at_version + ".selectableFields[" + std::to_string(i++) + "].jsonPath";
      const std::string path = field.string_or("jsonPath");
      const auto* node = node_at(kind, path);
      using Type = object::Schema::Node::Type;
      const bool fits =
          node && (node->type == Type::String || node->type == Type::Integer || node->type == Type::Boolean);
      if (!fits)
        add(invalid(at, Value(path), "must point to a field of type string, integer or boolean in the schema"));
    }
  }

  static const object::Schema::Node* node_at(const object::Kind& kind, std::string_view path) {
    const object::Schema::Node* node = &kind.schema->root();
    while (node && !path.empty()) {
      path.remove_prefix(1);  // the dot
      const auto end = std::min(path.find('.'), path.size());
      node = node->property(path.substr(0, end));
      path.remove_prefix(end);
    }
    return node;
  }

  // Objects are stored under these names, and in these versions.
  void unchanged() {
    const Value& old = *old_->find("spec");
    const auto same = [&](const std::string& field, const Value& now, const Value& before) {
      if (!(now == before)) add(invalid(field, now, "field is immutable"));
    };
    same("spec.group", member(spec_, "group"), member(old, "group"));
    const Value &names = *spec_.find("names"), &before = *old.find("names");
    same("spec.names.plural", member(names, "plural"), member(before, "plural"));
    if (is_established(*old_)) {
      same("spec.scope", member(spec_, "scope"), member(old, "scope"));
      same("spec.names.kind", member(names, "kind"), member(before, "kind"));
    }
    std::vector<std::string> present;
    for (const auto& version : spec_.find("versions")->as_array()) present.push_back(version.string_or("name"));
    std::size_t i = 0;
    const Value* stored = old_->at({"status", "storedVersions"});
    for (const auto& name : texts(stored ? *stored : Value())) {
      const std::string at = "status.storedVersions[" + std::to_string(i++) + "]";
      if (std::ranges::find(present, name) == present.end())
        add(invalid(at, Value(name),
                    "missing from spec.versions; " + name +
                        " was previously a storage version, and must remain in spec.versions"));
    }
  }

  const Value& definition_;
  const Value& spec_;
  const Value* old_;
  std::vector<FieldError>& causes_;
};

}  // namespace

void complete_definition(Value& definition) {
  Value* spec = definition.find("spec");
  Value* names = spec ? spec->find("names") : nullptr;
  if (!names || !names->is_object()) return;  // judged
  const std::string kind = names->string_or("kind");
  if (names->string_or("singular").empty() && !kind.empty()) (*names)["singular"] = object::lower_ascii(kind);
  if (names->string_or("listKind").empty() && !kind.empty()) (*names)["listKind"] = kind + "List";
  if (!spec->find("conversion")) (*spec)["conversion"] = json::Object{{"strategy", "None"}};
}

bool is_established(const Value& definition) {
  const Value* conditions = definition.at({"status", "conditions"});
  if (!conditions || !conditions->is_array()) return false;
  return std::ranges::any_of(conditions->as_array(), [](const Value& condition) {
    return condition.string_or("type") == "Established" && condition.string_or("status") == "True";
  });
}

void check_definition(const Value& definition, const Value* old, std::vector<FieldError>& causes) {
  Checks(definition, old, causes).run();
}

}  // namespace gantry::api
