#include "controller/deploy/request.hpp"

#include <algorithm>

#include "controller/base/base64.hpp"
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"

namespace gantry::deploy {
namespace {

using Source = DeployRequest::Source;

// Collects what is wrong, as admission does, so that all of it is told at once.
class Reader {
 public:
  explicit Reader(const json::Value& body) : body_(body) {
    if (!body.is_object()) throw Error(ErrorCode::BadRequest, "the body should be a JSON object");
  }

  std::string text(const char* field, bool required = false) {
    const json::Value* value = body_.find(field);
    if (!value || value->is_null()) {
      if (required) wrong("FieldValueRequired", field, "Required value");
      return {};
    }
    if (value->is_int()) return std::to_string(value->as_int());
    if (value->is_string()) {
      if (required && value->as_string().empty()) wrong("FieldValueRequired", field, "Required value");
      return value->as_string();
    }
    wrong("FieldValueTypeInvalid", field, "should be a string");
    return {};
  }
  int number(const char* field, int otherwise, int least, int most) {
    const json::Value* value = body_.find(field);
    if (!value || value->is_null()) return otherwise;
    if (!value->is_int() || value->as_int() < least || value->as_int() > most) {
      wrong("FieldValueInvalid", field,
            "should be a number from " + std::to_string(least) + " to " + std::to_string(most));
      return otherwise;
    }
    return static_cast<int>(value->as_int());
  }
  std::vector<std::string> words(const char* field) {
    std::vector<std::string> all;
    const json::Value* value = body_.find(field);
    if (!value || value->is_null()) return all;
    if (!value->is_array()) {
      wrong("FieldValueTypeInvalid", field, "should be a list of strings");
      return all;
    }
    for (const auto& one : value->as_array()) {
      if (one.is_string() && !one.as_string().empty()) {
        all.push_back(one.as_string());
      } else {
        wrong("FieldValueTypeInvalid", field, "should hold strings");
      }
    }
    return all;
  }
  const json::Value* find(const char* field) const { return body_.find(field); }
  bool has(const char* field) const {
    const json::Value* value = body_.find(field);
    return value && !value->is_null() && !(value->is_string() && value->as_string().empty());
  }
  void wrong(std::string reason, std::string field, std::string message) {
    causes_.push_back({std::move(reason), std::move(field), std::move(message)});
  }
  void finish(std::string_view what) {
    if (causes_.empty()) return;
    std::string message(what);
    for (std::size_t i = 0; i < causes_.size(); ++i)
      message += (i == 0 ? ": " : ", ") + causes_[i].field + ": " + causes_[i].message;
    Error error(ErrorCode::Invalid, message);
    error.causes = std::move(causes_);
    throw error;
  }

 private:
  const json::Value& body_;
  std::vector<FieldError> causes_;
};

bool is_label(const std::string& text, std::size_t most) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= most && plain(text.front()) && plain(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '-'; });
}

void read_env(Reader& reader, DeployRequest& request) {
  const json::Value* given = reader.find("env_vars");
  if (!given || given->is_null()) return;
  if (!given->is_object()) return reader.wrong("FieldValueTypeInvalid", "env_vars", "should be an object of strings");
  for (const auto& [name, value] : given->as_object()) {
    const json::Value* ref = value.find("secretKeyRef");
    if (value.is_string()) {
      request.env.emplace(name, Secret(value.as_string()));
    } else if (ref && value.as_object().size() == 1 && !ref->string_or("name").empty() &&
               !ref->string_or("key").empty()) {
      request.env_from.emplace(name, value);
    } else {
      reader.wrong("FieldValueTypeInvalid", "env_vars." + name,
                   R"(should be a string, or {"secretKeyRef": {"name": ..., "key": ...}})");
    }
  }
}

void read_source(Reader& reader, DeployRequest& request) {
  const std::string type = reader.text("source_type", true);
  // Which fields belong to which source; those of the others are refused rather than ignored.
  static const std::map<std::string, std::vector<const char*>, std::less<>> groups{
      {"code", {"code_tar_b64"}}, {"git", {"git_url", "git_branch", "git_token"}}, {"image", {"image"}}};
  if (!type.empty() && !groups.contains(type))
    reader.wrong("FieldValueNotSupported", "source_type", "should be code, git or image");
  for (const auto& [group, fields] : groups) {
    for (const char* field : fields) {
      if (group != type && reader.has(field)) reader.wrong("FieldValueForbidden", field, "is for source_type " + group);
    }
  }
  request.dockerfile = reader.text("dockerfile");
  if (type == "code") {
    request.source = Source::Code;
    auto code = base64_decode(reader.text("code_tar_b64", true));
    if (!code) reader.wrong("FieldValueInvalid", "code_tar_b64", "is not base64");
    request.code = std::move(code).value_or("");
  } else if (type == "git") {
    request.source = Source::Git;
    request.git_url = reader.text("git_url", true);
    request.git_branch = reader.text("git_branch");
    request.git_token = Secret(reader.text("git_token"));
    log::redact(request.git_token.reveal());
  } else {
    request.image = reader.text("image", type == "image");
    if (!request.dockerfile.empty()) reader.wrong("FieldValueForbidden", "dockerfile", "an image is not built");
  }
}

void read_servers(Reader& reader, DeployRequest& request) {
  request.server_ips = reader.words("server_ips");
  request.new_servers = reader.number("new_server_count", 0, 0, 100);
  const bool makes = request.new_servers > 0;
  request.snapshot = reader.text("snapshot_id", makes);
  request.region = reader.text("region", makes);
  request.size = reader.text("size", makes);
  request.agent_timeout = reader.number("agent_timeout_seconds", 0, 1, 3600);
}

}  // namespace

DeployRequest read_deploy(const json::Value& body) {
  Reader reader(body);
  DeployRequest request;
  request.name = reader.text("name", true);
  if (!request.name.empty() && !is_label(request.name, 40))
    reader.wrong("FieldValueInvalid", "name", "should be lower case letters, digits and dashes, at most 40");
  request.port = reader.number("port", 0, 1, 65535);
  if (request.port == 0 && !reader.has("port")) reader.wrong("FieldValueRequired", "port", "Required value");
  request.environment = reader.text("environment");
  if (!request.environment.empty() && !is_label(request.environment, 20))
    reader.wrong("FieldValueInvalid", "environment", "should be lower case letters, digits and dashes, at most 20");
  request.tags = reader.words("tags");
  for (const auto& tag : request.tags) {
    if (!is_label(tag, 50))
      reader.wrong("FieldValueInvalid", "tags", "\"" + tag + "\" should be lower case letters, digits and dashes");
  }
  read_env(reader, request);
  read_source(reader, request);
  read_servers(reader, request);
  reader.finish("the deploy was not started");
  return request;
}

ImageBuild read_image_build(const json::Value& body, std::string_view default_name) {
  Reader reader(body);
  ImageBuild build{.name = reader.text("name", default_name.empty()),
                   .base = reader.text("base_snapshot"),
                   .packages = reader.words("packages")};
  if (build.name.empty()) build.name = default_name;
  if (!build.name.empty() && !is_label(build.name, 63))
    reader.wrong("FieldValueInvalid", "name", "should be lower case letters, digits and dashes");
  build.region = reader.text("region");
  build.size = reader.text("size");
  reader.finish("the image was not started");
  return build;
}

}  // namespace gantry::deploy
