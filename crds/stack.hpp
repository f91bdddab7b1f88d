// The typed view of a Stack's spec; crds/stack.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class StackOnFailure { Rollback, Keep };
inline constexpr std::array<std::string_view, 2> kStackOnFailureWords{"Rollback", "Keep"};
inline std::span<const std::string_view> words(StackOnFailure) { return kStackOnFailureWords; }

struct StackKeyRef {
  std::string name;
  std::string key;
};
template <class Visitor>
void fields(Visitor& visit, StackKeyRef& part) {
  visit("name", part.name);
  visit("key", part.key);
}

struct StackFile {
  std::string path;
};
template <class Visitor>
void fields(Visitor& visit, StackFile& part) {
  visit("path", part.path);
}

// Exactly one is set.
struct StackTemplateFrom {
  std::optional<StackKeyRef> config_map_key_ref;
  std::optional<StackFile> file;
};
template <class Visitor>
void fields(Visitor& visit, StackTemplateFrom& part) {
  visit("configMapKeyRef", part.config_map_key_ref);
  visit("file", part.file);
}

struct StackSpec {
  NameRef provider_ref;
  json::Value from_template;  // an object, or text; null with templateFrom
  std::optional<StackTemplateFrom> template_from;
  std::map<std::string, IntOrString> parameters;
  StackOnFailure on_failure = StackOnFailure::Rollback;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, StackSpec& spec) {
  visit("providerRef", spec.provider_ref);
  visit("template", spec.from_template);
  visit("templateFrom", spec.template_from);
  visit("parameters", spec.parameters);
  visit("onFailure", spec.on_failure);
  visit("dependsOn", spec.depends_on);
}

StackSpec decode_stack_spec(const json::Value& object);

}  // namespace gantry::crds
