#include "reconcilers/app/environment.hpp"

#include <algorithm>
#include <map>

#include "controller/base/base64.hpp"
#include "controller/base/log.hpp"
#include "controller/object/jsonpath.hpp"

namespace gantry::reconcilers::app {
namespace {

using object::Key;
using object::Resource;

const Resource& secrets() {
  static const Resource resource = Resource::of("", "secrets");
  return resource;
}

const Resource& config_maps() {
  static const Resource resource = Resource::of("", "configmaps");
  return resource;
}

object::KindPtr kind_named(const object::KindTable& kinds, std::string_view kind) {
  for (const auto& known : kinds.all()) {
    if (known->kind == kind) return known;
  }
  return nullptr;
}

// "https://{}" with the value in place of {}.
std::string formatted(const std::string& format, const std::string& value) {
  const auto at = format.find("{}");
  if (format.empty() || at == std::string::npos) return value;
  return format.substr(0, at) + value + format.substr(at + 2);
}

const json::Array& list_of(const json::Value& pod_template, std::string_view field) {
  static const json::Array none;
  const json::Value* list = pod_template.find(field);
  return list && list->is_array() ? list->as_array() : none;
}

class Resolver {
 public:
  Resolver(api::Client& client, const object::KindTable& kinds, const json::Value& app, std::string ns)
      : client_(client), kinds_(kinds), app_(app), ns_(std::move(ns)) {}

  Task<> take_all_of(const json::Value& from, Environment& out) {
    const std::string prefix = from.string_or("prefix");
    for (const auto& [field, resource] :
         {std::pair("secretRef", secrets()), std::pair("configMapRef", config_maps())}) {
      const json::Value* ref = from.find(field);
      if (!ref) continue;
      const std::string name = ref->string_or("name");
      const json::Value* object = co_await get(resource, name);
      if (!object) {
        if (!ref->bool_or("optional", false))
          out.missing.push_back(word(resource) + " \"" + name + "\" does not exist (envFrom)");
        continue;
      }
      const json::Value* data = object->find("data");
      if (!data || !data->is_object()) continue;
      for (const auto& [key, value] : data->as_object()) out.values.emplace_back(prefix + key, read(resource, value));
    }
  }

  Task<> take(const json::Value& variable, Environment& out) {
    const std::string name = variable.string_or("name");
    const json::Value* from = variable.find("valueFrom");
    if (!from) {
      out.values.emplace_back(name, Secret(variable.string_or("value")));
      co_return;
    }
    std::optional<Secret> value;
    std::string missing;
    if (const auto* secret = from->find("secretKeyRef")) {
      value = co_await key_of(secrets(), *secret, missing);
    } else if (const auto* map = from->find("configMapKeyRef")) {
      value = co_await key_of(config_maps(), *map, missing);
    } else if (const auto* field = from->find("objectFieldRef")) {
      value = co_await field_of(*field, missing);
    } else if (const auto* own = from->find("fieldRef")) {
      value = Secret(object::JsonPath::parse(own->string_or("fieldPath")).print(app_));
    }
    if (value) out.values.emplace_back(name, std::move(*value));
    if (!missing.empty()) out.missing.push_back(missing + " (env " + name + ")");
  }

 private:
  static std::string word(const Resource& resource) { return resource == secrets() ? "Secret" : "ConfigMap"; }

  static Secret read(const Resource& resource, const json::Value& value) {
    const std::string text = value.is_string() ? value.as_string() : std::string();
    if (resource != secrets()) return Secret(text);
    std::string plain = base64_decode(text).value_or(std::string());
    log::redact(plain);
    return Secret(std::move(plain));
  }

  // Each object is read once, however many variables come from it.
  Task<const json::Value*> get(Resource resource, std::string name) {
    Key key{resource, ns_, std::move(name)};
    auto at = seen_.find(key);
    if (at == seen_.end()) {
      const auto object = co_await client_.find(key);
      at = seen_.emplace(std::move(key), object ? std::optional(object->decode()) : std::nullopt).first;
    }
    co_return at->second ? &*at->second : nullptr;
  }

  Task<std::optional<Secret>> key_of(Resource resource, const json::Value& ref, std::string& missing) {
    const std::string name = ref.string_or("name");
    const std::string key = ref.string_or("key");
    const bool optional = ref.bool_or("optional", false);
    const json::Value* object = co_await get(resource, name);
    const json::Value* value = object ? object->at({"data", key}) : nullptr;
    if (value) co_return read(resource, *value);
    if (!optional)
      missing = word(resource) + " \"" + name + "\" " + (object ? "has no key \"" + key + "\"" : "does not exist");
    co_return std::nullopt;
  }

  Task<std::optional<Secret>> field_of(const json::Value& ref, std::string& missing) {
    const std::string kind_name = ref.string_or("kind");
    const std::string name = ref.string_or("name");
    const std::string path = ref.string_or("fieldPath");
    const auto kind = kind_named(kinds_, kind_name);
    if (!kind) {
      missing = "kind \"" + kind_name + "\" is not known";
      co_return std::nullopt;
    }
    const json::Value* object = co_await get(kind->resource, name);
    if (!object) {
      missing = kind_name + " \"" + name + "\" does not exist";
      co_return std::nullopt;
    }
    const std::string value = object::JsonPath::parse(path).print(*object);
    if (value.empty()) {
      missing = kind_name + " \"" + name + "\" has no " + path + " yet";
      co_return std::nullopt;
    }
    co_return Secret(formatted(ref.string_or("format"), value));
  }

  api::Client& client_;
  const object::KindTable& kinds_;
  const json::Value& app_;
  std::string ns_;
  std::map<Key, std::optional<json::Value>> seen_;
};

}  // namespace

Task<Environment> resolve_environment(api::Client& client, const object::KindTable& kinds,
                                      const json::Value& pod_template, const json::Value& app, std::string ns) {
  Environment out;
  Resolver resolver(client, kinds, app, std::move(ns));
  for (const auto& from : list_of(pod_template, "envFrom")) co_await resolver.take_all_of(from, out);
  for (const auto& variable : list_of(pod_template, "env")) co_await resolver.take(variable, out);
  // As in Kubernetes, of two with one name the later wins: env over envFrom.
  std::map<std::string, std::size_t> last;
  for (std::size_t i = 0; i < out.values.size(); ++i) last[out.values[i].first] = i;
  std::vector<std::pair<std::string, Secret>> unique;
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    if (last[out.values[i].first] == i) unique.push_back(std::move(out.values[i]));
  }
  out.values = std::move(unique);
  co_return out;
}

}  // namespace gantry::reconcilers::app
