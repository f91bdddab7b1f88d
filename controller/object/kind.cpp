#include "controller/object/kind.hpp"

#include <algorithm>

#include "controller/object/field_error.hpp"
#include "controller/object/versions.hpp"

namespace gantry::object {

using json::Value;

namespace {

constexpr std::string_view kNoGeneration = "gantry.dev/no-generation";

[[noreturn]] void refuse(const std::string& name, std::vector<FieldError> causes) {
  throw invalid_object("apiextensions.k8s.io", "CustomResourceDefinition", name, std::move(causes));
}

std::vector<std::string> strings(const Value* list) {
  std::vector<std::string> out;
  if (!list || !list->is_array()) return out;
  for (const auto& item : list->as_array()) out.push_back(item.as_string());
  return out;
}

std::vector<PrinterColumn> columns(const Value& version) {
  std::vector<PrinterColumn> out;
  const Value* list = version.find("additionalPrinterColumns");
  if (!list || !list->is_array()) return out;
  for (const auto& column : list->as_array()) {
    out.push_back({column.string_or("name"), column.string_or("type"), column.string_or("format"),
                   column.string_or("description"), column.int_or("priority", 0), column.string_or("jsonPath")});
  }
  return out;
}

const json::Array& versions_of(const std::string& name, const Value& crd) {
  const Value* spec = crd.find("spec");
  if (!spec || !spec->is_object()) refuse(name, {required("spec")});
  const Value* versions = spec->find("versions");
  if (!versions || !versions->is_array() || versions->as_array().empty()) refuse(name, {required("spec.versions")});
  return versions->as_array();
}

std::string name_of(const Value& crd) {
  const Value* name = crd.at({"metadata", "name"});
  return name && name->is_string() ? name->as_string() : std::string();
}

void check_names(const std::string& name, const Kind& kind, const std::string& scope, const std::string& at_version) {
  std::vector<FieldError> causes;
  if (kind.version.empty()) causes.push_back(required(at_version + "name"));
  if (kind.kind.empty()) causes.push_back(required("spec.names.kind"));
  if (kind.plural.empty()) causes.push_back(required("spec.names.plural"));
  if (scope != "Namespaced" && scope != "Cluster") {
    static const std::vector<std::string> kScopes{"Cluster", "Namespaced"};
    causes.push_back(not_supported("spec.scope", Value(scope), kScopes));
  }
  for (std::size_t i = 0; i < kind.columns.size(); ++i) {
    const std::string at = at_version + "additionalPrinterColumns[" + std::to_string(i) + "]";
    if (kind.columns[i].name.empty()) causes.push_back(required(at + ".name"));
    if (kind.columns[i].json_path.empty()) causes.push_back(required(at + ".jsonPath"));
  }
  if (!causes.empty()) refuse(name, std::move(causes));
}

}  // namespace

KindPtr kind_from_definition(const Value& crd) {
  const std::string name = name_of(crd);
  const json::Array& versions = versions_of(name, crd);
  const auto stored =
      std::ranges::find_if(versions, [](const Value& version) { return version.bool_or("storage", false); });
  if (stored == versions.end()) refuse(name, {required("spec.versions", "one version must be the one that is stored")});
  return kind_of_version(crd, static_cast<std::size_t>(stored - versions.begin()));
}

KindPtr kind_of_version(const Value& crd, std::size_t index) {
  const std::string name = name_of(crd);
  const Value& version = versions_of(name, crd).at(index);
  const Value* spec = crd.find("spec");
  const std::string at_version = "spec.versions[" + std::to_string(index) + "].";
  if (!version.at({"schema", "openAPIV3Schema"}))
    refuse(name, {required(at_version + "schema.openAPIV3Schema", "schemas are required")});

  auto kind = std::make_shared<Kind>();
  kind->definition = crd;
  kind->group = spec->string_or("group");
  kind->version = version.string_or("name");
  if (const Value* names = spec->find("names")) {
    kind->kind = names->string_or("kind");
    kind->plural = names->string_or("plural");
    kind->singular = names->string_or("singular");
    kind->short_names = strings(names->find("shortNames"));
    kind->categories = strings(names->find("categories"));
  }
  if (kind->singular.empty()) {
    for (const char c : kind->kind) kind->singular += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  const std::string scope = spec->string_or("scope", "Namespaced");
  kind->namespaced = scope == "Namespaced";
  const Value* subresources = version.find("subresources");
  kind->has_status = subresources && subresources->find("status");
  if (const Value* scale = subresources ? subresources->find("scale") : nullptr) {
    kind->scale = Kind::Scale{scale->string_or("specReplicasPath"), scale->string_or("statusReplicasPath"),
                              scale->string_or("labelSelectorPath")};
  }
  const Value* no_generation = crd.at({"metadata", "annotations", kNoGeneration});
  kind->has_generation = !(no_generation && no_generation->is_string() && no_generation->as_string() == "true");
  kind->columns = columns(version);
  check_names(name, *kind, scope, at_version);
  try {
    kind->schema = Schema::compile(*version.at({"schema", "openAPIV3Schema"}));
  } catch (const Error& error) {  // says which definition it is
    auto causes = error.causes;
    for (auto& cause : causes) cause.field = at_version + "schema." + cause.field;
    if (causes.empty()) throw;
    refuse(name, std::move(causes));
  }
  kind->resource = Resource::of(kind->group, kind->plural);
  return kind;
}

KindTable::KindTable(std::vector<KindPtr> kinds) : kinds_(std::move(kinds)) {}

KindPtr KindTable::find(std::string_view group, std::string_view version, std::string_view plural) const {
  for (const auto& kind : kinds_) {
    if (kind->plural == plural && kind->group == group && kind->version == version) return kind;
  }
  return nullptr;
}

KindPtr KindTable::find(Resource resource) const {
  for (const auto& kind : kinds_) {
    if (kind->resource == resource) return kind;
  }
  return nullptr;
}

KindPtr KindTable::find_kind(std::string_view api_version, std::string_view kind_name) const {
  for (const auto& kind : kinds_) {
    if (kind->kind == kind_name && kind->api_version() == api_version) return kind;
  }
  return nullptr;
}

void KindTable::put(KindPtr kind) {
  const auto at = std::ranges::find(kinds_, kind->resource, [](const KindPtr& known) { return known->resource; });
  if (at != kinds_.end()) {
    *at = std::move(kind);
  } else {
    kinds_.push_back(std::move(kind));
  }
}

}  // namespace gantry::object
