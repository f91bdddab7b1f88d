#include "controller/api/core_kinds.hpp"

#include <algorithm>

#include "controller/api/access/rbac_kinds.hpp"
#include "controller/api/definition_rules.hpp"
#include "controller/api/event_kind.hpp"
#include "controller/base/base64.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::api {
namespace {

constexpr std::size_t kDataMax = 1 << 20;

json::Value& object_at(json::Value& parent, std::string_view key) {
  json::Value& child = parent[key];
  if (!child.is_object()) child = json::Object();
  return child;
}

void prepare_namespace(json::Value& object, const json::Value* old) {
  const std::string name = object["metadata"].string_or("name");
  object_at(object["metadata"], "labels")["kubernetes.io/metadata.name"] = name;
  if (!old) {
    object_at(object, "spec")["finalizers"] = json::Array{"kubernetes"};
    object["status"] = json::Object{{"phase", "Active"}};
  }
}

void prepare_secret(json::Value& object) {
  if (object.string_or("type").empty()) object["type"] = "Opaque";
  json::Value* plain = object.find("stringData");
  if (!plain) return;
  if (plain->is_object()) {
    json::Value& data = object_at(object, "data");
    plain = object.find("stringData");
    for (const auto& [key, value] : plain->as_object()) {
      if (value.is_string()) data[key] = base64_encode(value.as_string());
    }
  }
  object.as_object().erase("stringData");
}

bool is_data_key(std::string_view key) {
  return !key.empty() && key.size() <= 253 && key != "." && !key.starts_with("..") &&
         std::ranges::all_of(key, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

// Keys and sizes of one map of values; returns the bytes they hold.
std::size_t check_data(const json::Value* data, const std::string& field, bool encoded,
                       std::vector<FieldError>& causes) {
  if (!data || !data->is_object()) return 0;
  std::size_t total = 0;
  for (const auto& [key, value] : data->as_object()) {
    if (!is_data_key(key)) {
      causes.push_back(
          object::invalid(field, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"));
    }
    if (!value.is_string()) continue;  // the schema has said so
    total += encoded ? value.as_string().size() / 4 * 3 : value.as_string().size();
  }
  return total;
}

bool same(const json::Value& a, const json::Value& b, std::string_view key) {
  const json::Value* left = a.find(key);
  const json::Value* right = b.find(key);
  const auto empty = [](const json::Value* value) {
    return !value || value->is_null() || (value->is_object() && value->as_object().empty());
  };
  if (empty(left) || empty(right)) return empty(left) == empty(right);
  return *left == *right;
}

void check_immutable(const json::Value& object, const json::Value* old, std::initializer_list<std::string_view> fields,
                     std::vector<FieldError>& causes) {
  if (!old || !old->bool_or("immutable", false)) return;
  constexpr std::string_view kWhy = "field is immutable when `immutable` is set";
  if (!object.bool_or("immutable", false)) causes.push_back(object::forbidden("immutable", kWhy));
  for (const auto field : fields) {
    if (!same(object, *old, field)) causes.push_back(object::forbidden(std::string(field), kWhy));
  }
}

// What each type of Secret must hold (k8s.io/kubernetes pkg/apis/core/validation).
struct SecretType {
  std::string_view type;
  std::vector<std::vector<std::string_view>> needs;  // of each of these, any one key
  bool json = false;                                 // the value of the key is a JSON object
};

const std::vector<SecretType>& secret_types() {
  static const std::vector<SecretType> types{
      {"kubernetes.io/tls", {{"tls.crt"}, {"tls.key"}}},
      {"kubernetes.io/ssh-auth", {{"ssh-privatekey"}}},
      {"kubernetes.io/basic-auth", {{"username", "password"}}},
      {"kubernetes.io/dockerconfigjson", {{".dockerconfigjson"}}, true},
      {"kubernetes.io/dockercfg", {{".dockercfg"}}, true},
  };
  return types;
}

bool holds_json_object(const json::Value& value) {
  const auto bytes = value.is_string() ? base64_decode(value.as_string()) : std::nullopt;
  if (!bytes) return false;
  try {
    return json::parse(*bytes).is_object();
  } catch (const Error&) {  // that is the answer
    return false;
  }
}

void check_secret_type(const json::Value& object, const std::string& type, std::vector<FieldError>& causes) {
  const json::Value* data = object.find("data");
  for (const auto& known : secret_types()) {
    if (type != known.type) continue;
    for (const auto& keys : known.needs) {
      const bool there = data && std::ranges::any_of(keys, [&](std::string_view key) { return data->find(key); });
      if (!there) causes.push_back(object::required("data[" + std::string(keys.front()) + "]"));
      const json::Value* value = known.json && there ? data->find(keys.front()) : nullptr;
      // The value itself is not repeated.
      if (value && !holds_json_object(*value))
        causes.push_back(object::invalid("data[" + std::string(keys.front()) + "]", "<secret contents redacted>",
                                         "must be a JSON object in base64"));
    }
  }
  if (type != "kubernetes.io/service-account-token") return;
  const json::Value* account = object.at({"metadata", "annotations", "kubernetes.io/service-account.name"});
  if (!account || !account->is_string() || account->as_string().empty())
    causes.push_back(object::required("metadata.annotations[kubernetes.io/service-account.name]"));
}

void check_secret(const json::Value& object, const json::Value* old, std::vector<FieldError>& causes) {
  if (check_data(object.find("data"), "data", true, causes) > kDataMax)
    causes.push_back(object::too_long("data", kDataMax));
  const std::string type = object.string_or("type");
  if (old && old->string_or("type") != type) causes.push_back(object::invalid("type", type, "field is immutable"));
  check_immutable(object, old, {"data"}, causes);
  check_secret_type(object, type, causes);
}

void check_config_map(const json::Value& object, const json::Value* old, std::vector<FieldError>& causes) {
  const json::Value* data = object.find("data");
  const json::Value* binary = object.find("binaryData");
  const std::size_t total = check_data(data, "data", false, causes) + check_data(binary, "binaryData", true, causes);
  if (total > kDataMax) causes.push_back(object::too_long("", kDataMax));
  if (data && binary && data->is_object() && binary->is_object()) {
    for (const auto& [key, value] : data->as_object()) {
      if (binary->find(key))
        causes.push_back(object::invalid("data[" + key + "]", key, "duplicate of key present in binaryData"));
    }
  }
  check_immutable(object, old, {"data", "binaryData"}, causes);
}

}  // namespace

void prepare_core(const Served& served, json::Value& object, const json::Value* old) {
  if (!served.kind->is_core()) return;
  if (served.is("", "secrets")) prepare_secret(object);
  if (served.is("", "namespaces")) prepare_namespace(object, old);
  if (access::is_rbac(served)) access::prepare_rbac(served, object);
  if (served.is_definitions()) complete_definition(object);
}

void check_core(const Served& served, const json::Value& object, const json::Value* old,
                std::vector<FieldError>& causes) {
  if (!served.kind->is_core()) return;
  if (served.is("", "secrets")) check_secret(object, old, causes);
  if (served.is("", "configmaps")) check_config_map(object, old, causes);
  if (served.kind->kind == "Event") check_event(served, object, old, causes);
  if (access::is_rbac(served)) access::check_rbac(served, object, old, causes);
}

bool is_protected_namespace(std::string_view name) {
  return name == "default" || name == "kube-system" || name == "kube-public";
}

}  // namespace gantry::api
