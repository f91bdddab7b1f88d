#include "controller/api/openapi.hpp"

#include <algorithm>

#include "controller/api/media.hpp"
#include "controller/api/openapi_v2.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

constexpr std::string_view kMetaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
constexpr std::string_view kListMetaName = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

json::Object reference(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

json::Object text(std::string_view description) { return {{"description", description}, {"type", "string"}}; }

json::Object map_of_text(std::string_view description) {
  return {{"additionalProperties", json::Object{{"default", ""}, {"type", "string"}}},
          {"description", description},
          {"type", "object"}};
}

json::Object list_of(json::Object items, std::string_view description) {
  return {{"description", description}, {"items", std::move(items)}, {"type", "array"}};
}

json::Value object_meta() {
  const json::Object owner{{"properties", json::Object{{"apiVersion", text("API version of the owner.")},
                                                       {"blockOwnerDeletion", json::Object{{"type", "boolean"}}},
                                                       {"controller", json::Object{{"type", "boolean"}}},
                                                       {"kind", text("Kind of the owner.")},
                                                       {"name", text("Name of the owner.")},
                                                       {"uid", text("UID of the owner.")}}},
                           {"type", "object"}};
  json::Object properties{
      {"annotations", map_of_text("Notes of tools and people; not for selecting.")},
      {"creationTimestamp", text("When the object was created. Set by the server.")},
      {"deletionGracePeriodSeconds", json::Object{{"format", "int64"}, {"type", "integer"}}},
      {"deletionTimestamp", text("When deletion was asked for. The object goes once its finalizers are gone.")},
      {"finalizers", list_of({{"type", "string"}}, "Who must still clean up before the object may go.")},
      {"generateName", text("A prefix; the server appends five characters when name is empty.")},
      {"generation",
       json::Object{
           {"description", "Grows with every change of what is asked for."}, {"format", "int64"}, {"type", "integer"}}},
      {"labels", map_of_text("Words to select objects by.")},
      {"managedFields", list_of({{"type", "object"}}, "Which manager set which fields.")},
      {"name", text("Unique within the namespace and kind.")},
      {"namespace", text("The space in which the name is unique.")},
      {"ownerReferences", list_of(owner, "Objects that this one goes with.")},
      {"resourceVersion", text("Changes with every write; sent back, it guards against lost updates.")},
      {"uid", text("Unique for ever. Set by the server.")}};
  return json::Object{
      {"description", "What every object has."}, {"properties", std::move(properties)}, {"type", "object"}};
}

json::Value list_meta() {
  return json::Object{
      {"properties", json::Object{{"continue", text("Where the next page begins.")},
                                  {"remainingItemCount", json::Object{{"format", "int64"}, {"type", "integer"}}},
                                  {"resourceVersion", text("The state that was listed.")}}},
      {"type", "object"}};
}

// dev.gantry.v1alpha1.App, and upstream's names for the core kinds.
std::string schema_name(const object::Kind& kind) {
  if (kind.group.empty()) return "io.k8s.api.core." + kind.version + "." + kind.kind;
  for (const std::string_view group : {"coordination", "events", "rbac"}) {
    if (kind.is_core() && kind.group.starts_with(group))
      return "io.k8s.api." + std::string(group) + "." + kind.version + "." + kind.kind;
  }
  std::string name;
  for (std::size_t end = kind.group.size(); end > 0;) {
    const auto dot = kind.group.rfind('.', end - 1);
    const std::size_t start = dot == std::string::npos ? 0 : dot + 1;
    name.append(kind.group, start, end - start).append(".");
    end = dot == std::string::npos ? 0 : dot;
  }
  return name + kind.version + "." + kind.kind;
}

json::Object group_version_kind(const object::Kind& kind, std::string_view suffix = {}) {
  return {{"group", kind.group}, {"kind", kind.kind + std::string(suffix)}, {"version", kind.version}};
}

json::Value kind_schema(const object::Kind& kind) {
  json::Value schema = kind.schema ? kind.schema->source() : json::Value(json::Object{{"type", "object"}});
  schema["x-kubernetes-group-version-kind"] = json::Array{group_version_kind(kind)};
  json::Value& properties = schema["properties"];
  properties["apiVersion"] = text("The version of this object's schema.");
  properties["kind"] = text("What this object is.");
  properties["metadata"] = json::Object{{"allOf", json::Array{reference(kMetaName)}},
                                        {"default", json::Object()},
                                        {"description", "What every object has."}};
  return schema;
}

json::Value list_schema(const object::Kind& kind) {
  return json::Object{
      {"properties", json::Object{{"apiVersion", json::Object{{"type", "string"}}},
                                  {"items", json::Object{{"items", reference(schema_name(kind))}, {"type", "array"}}},
                                  {"kind", json::Object{{"type", "string"}}},
                                  {"metadata", reference(kListMetaName)}}},
      {"required", json::Array{"items"}},
      {"type", "object"},
      {"x-kubernetes-group-version-kind", json::Array{group_version_kind(kind, "List")}}};
}

json::Object parameter(std::string_view name, std::string_view type) {
  return {{"in", "query"}, {"name", name}, {"schema", json::Object{{"type", type}}}};
}

json::Object operation(const object::Kind& kind, std::string_view action, json::Value body, bool list = false) {
  json::Object content{
      {"application/json", json::Object{{"schema", reference(schema_name(kind) + (list ? "List" : ""))}}}};
  json::Object made{
      {"responses", json::Object{{"200", json::Object{{"content", std::move(content)}, {"description", "OK"}}}}},
      {"x-kubernetes-action", action},
      {"x-kubernetes-group-version-kind", group_version_kind(kind)}};
  if (!body.is_null()) {
    made.set("parameters", json::Array{parameter("dryRun", "string"), parameter("fieldManager", "string"),
                                       parameter("fieldValidation", "string"), parameter("force", "boolean")});
    made.set("requestBody", json::Object{{"content", std::move(body)}});
  }
  return made;
}

std::string root_of(const Served& served) {
  return (served.kind->group.empty() ? "/api/" : "/apis/") + served.api_version;
}

json::Object patch_content(const Served& served) {
  json::Object patches{{"application/apply-patch+yaml", json::Object()},
                       {"application/json-patch+json", json::Object()},
                       {"application/merge-patch+json", json::Object()}};
  if (served.strategic_patch) patches.set("application/strategic-merge-patch+json", json::Object());
  return patches;
}

void add_paths(json::Object& paths, const Served& served, const std::string& root) {
  const object::Kind& kind = *served.kind;
  const std::string collection = root + (kind.namespaced ? "/namespaces/{namespace}/" : "/") + kind.plural;
  const json::Object schema{{"schema", reference(schema_name(kind))}};
  const json::Object whole{{"application/json", schema}, {"application/yaml", schema}};
  paths.set(collection,
            json::Object{{"get", operation(kind, "list", nullptr, true)}, {"post", operation(kind, "post", whole)}});
  if (kind.namespaced)
    paths.set(root + "/" + kind.plural, json::Object{{"get", operation(kind, "list", nullptr, true)}});
  const json::Object item{{"delete", operation(kind, "delete", nullptr)},
                          {"get", operation(kind, "get", nullptr)},
                          {"patch", operation(kind, "patch", patch_content(served))},
                          {"put", operation(kind, "put", whole)}};
  paths.set(collection + "/{name}", item);
  if (served.has_status_subresource()) {
    json::Object status = item;
    status.erase("delete");
    paths.set(collection + "/{name}/status", std::move(status));
  }
}

std::string part_name(const Served& served) {
  return served.kind->group.empty() ? "api/" + served.kind->version : "apis/" + served.api_version;
}

}  // namespace

OpenApi::OpenApi(const Catalogue& catalogue, std::string version) : version_(std::move(version)) {
  for (const auto& served : catalogue.all()) {
    if (served->routed) parts_[part_name(*served)].kinds.push_back(served);
  }
  json::Object paths;
  for (auto& [name, part] : parts_) {
    std::string definitions = version_;
    for (const auto& served : part.kinds) {
      if (const json::Value* spec = served->kind->definition.find("spec")) json::dump_to(definitions, *spec);
    }
    part.hash = digest(definitions);
    paths.set(name, json::Object{{"serverRelativeURL", "/openapi/v3/" + name + "?hash=" + part.hash}});
  }
  index_ = document(json::dump(json::Object{{"paths", std::move(paths)}}));
}

HttpResponse OpenApi::index(const HttpRequest& request) const { return document_response(request, index_); }

HttpResponse OpenApi::group_version(const HttpRequest& request, const std::string& name) {
  require_json(request.header("accept"));
  const auto at = parts_.find(name);
  if (at == parts_.end()) throw unknown_path();
  Part& part = at->second;
  const std::string* hash = request.parameter("hash");
  if (hash && *hash != part.hash) {
    HttpResponse moved = text_response(301, "");
    moved.headers.emplace_back("Location", "/openapi/v3/" + name + "?hash=" + part.hash);
    return moved;
  }
  if (!part.written) part.written = write(part);
  HttpResponse response = document_response(request, *part.written);
  response.headers.emplace_back("Vary", "Accept");
  if (hash) {
    // The text of a hash never changes.
    response.headers.emplace_back("Cache-Control", "public, immutable, max-age=31536000");
    response.headers.emplace_back("Expires", "Fri, 31 Dec 2100 23:59:59 GMT");
  }
  return response;
}

json::Object OpenApi::schemas_of(const Part& part) {
  json::Object schemas;
  schemas.set(kMetaName, object_meta());
  schemas.set(kListMetaName, list_meta());
  for (const auto& served : part.kinds) {
    schemas.set(schema_name(*served->kind), kind_schema(*served->kind));
    schemas.set(schema_name(*served->kind) + "List", list_schema(*served->kind));
  }
  return schemas;
}

Document OpenApi::write(const Part& part) const {
  json::Object paths;
  json::Object schemas = schemas_of(part);
  for (const auto& served : part.kinds) add_paths(paths, *served, root_of(*served));
  return document(json::dump(json::Object{{"components", json::Object{{"schemas", std::move(schemas)}}},
                                          {"info", json::Object{{"title", "gantry"}, {"version", version_}}},
                                          {"openapi", "3.0.0"},
                                          {"paths", std::move(paths)}}));
}

HttpResponse OpenApi::v2(const HttpRequest& request) {
  if (!v2_) {
    json::Object schemas;
    std::vector<OpenApiPath> paths;
    for (const auto& [name, part] : parts_) {
      for (auto& [schema, value] : schemas_of(part)) schemas.set(schema, std::move(value));
      for (const auto& served : part.kinds) {
        const object::Kind& kind = *served->kind;
        std::vector<std::string> patches;
        for (const auto& [type, unused] : patch_content(*served)) patches.push_back(type);
        paths.push_back(
            {root_of(*served) + (kind.namespaced ? "/namespaces/{namespace}/" : "/") + kind.plural + "/{name}",
             group_version_kind(kind), std::move(patches)});
      }
    }
    v2_ = document(openapi_v2(version_, schemas, paths));
  }
  // The type as kubectl asks for it has an @, which Go's own parser then refuses in an answer.
  return document_response(request, *v2_, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
}

}  // namespace gantry::api
