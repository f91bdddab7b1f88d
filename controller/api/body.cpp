#include "controller/api/body.hpp"

#include "controller/api/media.hpp"
#include "controller/api/protobuf.hpp"
#include "controller/api/status.hpp"
#include "controller/base/yaml.hpp"

namespace gantry::api {
namespace {

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";

std::string type_of(const HttpRequest& request) {
  const std::string* given = request.header("content-type");
  if (!given || given->empty()) return "application/json";
  if (*given == "application/json") return *given;
  return parse_media_type(*given).type;
}

Body parse_json(const std::string& text, bool find_duplicates) {
  Body body;
  body.value = json::parse(text, find_duplicates ? &body.duplicates : nullptr);
  return body;
}

// As much as Kubernetes takes; aliases must not make far more of it.
constexpr yaml::Limits kYamlLimits{.bytes_max = 3 << 20, .nodes_max = 250'000};

Body parse_yaml(const std::string& text) {
  auto documents = yaml::parse_all(text, kYamlLimits);
  if (documents.size() != 1) {
    throw Error(ErrorCode::BadRequest,
                "the body must be one YAML document, and has " + std::to_string(documents.size()));
  }
  if (!documents[0].error.empty()) throw Error(ErrorCode::BadRequest, "YAML: " + documents[0].error);
  return {std::move(documents[0].value), std::move(documents[0].duplicates)};
}

}  // namespace

Body read_object(const HttpRequest& request, bool protobuf_allowed, bool find_duplicates) {
  const std::string type = type_of(request);
  if (type == "application/json") return parse_json(request.body, find_duplicates);
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml")
    return parse_yaml(request.body);
  if (type == kProtobuf && protobuf_allowed) return {decode_protobuf(request.body), {}};
  if (protobuf_allowed) throw unsupported_media_type({"application/json", "application/yaml", kProtobuf});
  throw unsupported_media_type({"application/json", "application/yaml"});
}

std::pair<PatchType, Body> read_patch(const HttpRequest& request, bool find_duplicates) {
  const std::string type = type_of(request);
  if (type == "application/merge-patch+json") return {PatchType::Merge, parse_json(request.body, find_duplicates)};
  if (type == "application/json-patch+json") return {PatchType::Json, parse_json(request.body, false)};
  if (type == "application/strategic-merge-patch+json")
    return {PatchType::Strategic, parse_json(request.body, find_duplicates)};
  if (type == "application/apply-patch+yaml") {
    // kubectl sends JSON under this name, which is read far faster than YAML.
    const auto start = request.body.find_first_not_of(" \t\r\n");
    if (start != std::string::npos && request.body[start] == '{') {
      try {
        return {PatchType::Apply, parse_json(request.body, true)};
      } catch (const Error&) {  // a flow mapping that is YAML only, or broken: YAML tells which, with the line
      }
    }
    return {PatchType::Apply, parse_yaml(request.body)};
  }
  throw unsupported_media_type(
      {"application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"});
}

}  // namespace gantry::api
