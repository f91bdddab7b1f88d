// Parts that several kinds share.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crds/fields.hpp"

namespace gantry::crds {

// An object of the same namespace, by name.
struct NameRef {
  std::string name;
};
template <class Visitor>
void fields(Visitor& visit, NameRef& ref) {
  visit("name", ref.name);
}

struct Dependency {
  std::string kind;  // empty: the kind of the object that depends
  std::string name;
  std::string condition;  // empty: Ready
};
template <class Visitor>
void fields(Visitor& visit, Dependency& dependency) {
  visit("kind", dependency.kind);
  visit("name", dependency.name);
  visit("condition", dependency.condition);
}

struct KeyRef {
  std::string name;
  std::string key;
  bool optional = false;
};
template <class Visitor>
void fields(Visitor& visit, KeyRef& ref) {
  visit("name", ref.name);
  visit("key", ref.key);
  visit("optional", ref.optional);
}

struct ObjectFieldRef {
  std::string kind;
  std::string name;
  std::string field_path;
  std::string format;  // text with {} for the value; empty: the value alone
};
template <class Visitor>
void fields(Visitor& visit, ObjectFieldRef& ref) {
  visit("kind", ref.kind);
  visit("name", ref.name);
  visit("fieldPath", ref.field_path);
  visit("format", ref.format);
}

struct FieldRef {
  std::string field_path;
};
template <class Visitor>
void fields(Visitor& visit, FieldRef& ref) {
  visit("fieldPath", ref.field_path);
}

// Exactly one is set.
struct ValueFrom {
  std::optional<KeyRef> secret_key_ref;
  std::optional<KeyRef> config_map_key_ref;
  std::optional<ObjectFieldRef> object_field_ref;
  std::optional<FieldRef> field_ref;
};
template <class Visitor>
void fields(Visitor& visit, ValueFrom& from) {
  visit("secretKeyRef", from.secret_key_ref);
  visit("configMapKeyRef", from.config_map_key_ref);
  visit("objectFieldRef", from.object_field_ref);
  visit("fieldRef", from.field_ref);
}

struct EnvVar {
  std::string name;
  std::string value;
  std::optional<ValueFrom> value_from;
};
template <class Visitor>
void fields(Visitor& visit, EnvVar& variable) {
  visit("name", variable.name);
  visit("value", variable.value);
  visit("valueFrom", variable.value_from);
}

struct GitSource {
  std::string url;
  std::string ref;   // empty: the default branch
  std::string path;  // empty: the root
  std::optional<NameRef> secret_ref;
  std::string interval = "1m";  // as parse_duration() reads it
};
template <class Visitor>
void fields(Visitor& visit, GitSource& git) {
  visit("url", git.url);
  visit("ref", git.ref);
  visit("path", git.path);
  visit("secretRef", git.secret_ref);
  visit("interval", git.interval);
}

struct ImageSource {
  std::string ref;
};
template <class Visitor>
void fields(Visitor& visit, ImageSource& image) {
  visit("ref", image.ref);
}

// Exactly one is set.
struct CodeSource {
  std::string path;
  std::string upload;  // a digest
};
template <class Visitor>
void fields(Visitor& visit, CodeSource& code) {
  visit("path", code.path);
  visit("upload", code.upload);
}

// What an App runs: exactly one is set.
struct AppSource {
  std::optional<ImageSource> image;
  std::optional<GitSource> git;
  std::optional<CodeSource> code;
};
template <class Visitor>
void fields(Visitor& visit, AppSource& source) {
  visit("image", source.image);
  visit("git", source.git);
  visit("code", source.code);
}

}  // namespace gantry::crds
