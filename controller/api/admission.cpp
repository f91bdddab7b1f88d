#include "controller/api/admission.hpp"

#include "controller/api/access/rbac_kinds.hpp"
#include "controller/api/core_kinds.hpp"
#include "controller/api/status.hpp"
#include "controller/object/metadata.hpp"

namespace gantry::api {
namespace {

constexpr std::size_t kCausesMax = 100;

// unknown field "spec.replicsa": one for each problem, doubled keys first.
std::vector<std::string> problems(const std::vector<std::string>& duplicates, const std::vector<std::string>& unknown) {
  std::vector<std::string> out;
  for (const auto& path : duplicates) out.push_back("duplicate field " + object::quoted(path));
  for (const auto& path : unknown) out.push_back("unknown field " + object::quoted(path));
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

[[noreturn]] void bad_request(std::string message) { throw Error(ErrorCode::BadRequest, std::move(message)); }

}  // namespace

void agree_on_kind(const Served& served, json::Value& object) {
  if (!object.is_object()) bad_request("the body must be an object, and is of type " + std::string(object.type_name()));
  const auto agree = [&](std::string_view field, std::string_view what, const std::string& expected) {
    json::Value& given = object[field];
    if (given.is_null() || (given.is_string() && given.as_string().empty())) {
      given = expected;
    } else if (!given.is_string() || given.as_string() != expected) {
      const std::string data = given.is_string() ? given.as_string() : json::dump(given);
      bad_request("the " + std::string(what) + " in the data (" + data + ") does not match the expected " +
                  std::string(what) + " (" + expected + ")");
    }
  };
  agree("apiVersion", "API version", served.api_version);
  agree("kind", "kind", served.kind->kind);
  json::Value& metadata = object["metadata"];
  if (metadata.is_null()) metadata = json::Object();
  if (!metadata.is_object())
    bad_request("metadata must be an object, and is of type " + std::string(metadata.type_name()));
}

void agree_on_address(Target& target, json::Value& object) {
  json::Value& metadata = object["metadata"];
  const auto given = [&](std::string_view key) -> std::string {
    const json::Value* value = metadata.find(key);
    if (!value || value->is_null()) return {};
    if (!value->is_string())
      bad_request("metadata." + std::string(key) + " must be a string, and is of type " +
                  std::string(value->type_name()));
    return value->as_string();
  };
  const std::string name = given("name"), ns = given("namespace");
  if (target.name.empty()) {
    target.name = name;
  } else if (name.empty()) {
    metadata["name"] = target.name;
  } else if (name != target.name) {
    bad_request("the name of the object (" + name + ") does not match the name on the URL (" + target.name + ")");
  }
  if (!target.served->kind->namespaced) return;
  if (ns.empty()) {
    metadata["namespace"] = target.ns;
  } else if (ns != target.ns) {
    bad_request("the namespace of the provided object does not match the namespace sent on the request");
  }
}

void Admission::add_check(object::Resource resource, AdmissionCheck check) {
  checks_[resource.qualified()].push_back(std::move(check));
}

void Admission::add_removal_check(object::Resource resource, RemovalCheck check) {
  removal_checks_[resource.qualified()] = std::move(check);
}

void Admission::judge_removal(const Served& served, const std::string& name) const {
  const auto check = removal_checks_.find(served.resource.qualified());
  if (check == removal_checks_.end()) return;
  if (const std::string why = check->second(name); !why.empty()) throw forbidden(served.resource, name, why);
}

std::vector<std::string> Admission::tidy(const Served& served, json::Value& object, bool report) const {
  std::vector<std::string> unknown;
  served.kind->schema->prune(object, report ? &unknown : nullptr);
  served.kind->schema->set_defaults(object);
  return unknown;
}

void Admission::settle(const Served& served, Body& body, Validation validation, Warnings& warnings) const {
  agree_on_kind(served, body.value);
  const auto unknown = tidy(served, body.value, validation != Validation::Ignore);
  if (validation == Validation::Ignore || (unknown.empty() && body.duplicates.empty())) return;
  auto found = problems(body.duplicates, unknown);
  if (validation == Validation::Strict) {
    const std::string& kind = served.kind->kind;
    bad_request(kind + " in version \"" + served.kind->version + "\" cannot be handled as a " + kind +
                ": strict decoding error: " + joined(found));
  }
  for (auto& problem : found) warnings.push_back(std::move(problem));
}

void Admission::settle_patched(const Target& target, json::Value& object, std::vector<std::string> duplicates,
                               Validation validation, Warnings& warnings) const {
  const Served& served = *target.served;
  agree_on_kind(served, object);
  const auto unknown = tidy(served, object, validation != Validation::Ignore);
  if (validation == Validation::Ignore || (unknown.empty() && duplicates.empty())) return;
  auto found = problems(duplicates, unknown);
  if (validation == Validation::Strict) {
    throw invalid(*served.kind, target.name,
                  {{"FieldValueInvalid", "patch", "Invalid value: strict decoding error: " + joined(found)}});
  }
  for (auto& problem : found) warnings.push_back(std::move(problem));
}

void Admission::judge(const Served& served, const Review& review) const {
  const auto rule = served.is("", "namespaces") ? object::NameRule::Label
                    : access::is_rbac(served)   ? object::NameRule::PathSegment
                                                : object::NameRule::Subdomain;
  const bool namespaced = served.kind->namespaced;
  auto causes = review.old ? object::validate_metadata_update(review.object, *review.old, namespaced, rule)
                           : object::validate_metadata(review.object, namespaced, rule);
  auto schema = review.old ? served.kind->schema->validate_update(review.object, *review.old)
                           : served.kind->schema->validate(review.object);
  const bool shaped = schema.empty();
  std::move(schema.begin(), schema.end(), std::back_inserter(causes));
  // The rules behind the schema may count on its types.
  if (shaped) {
    check_core(served, review.object, review.old, causes);
    if (const auto checks = checks_.find(served.stored.qualified()); checks != checks_.end()) {
      for (const auto& check : checks->second) check(review, causes);
    }
  }
  if (causes.empty()) return;
  if (causes.size() > kCausesMax) causes.resize(kCausesMax);
  const json::Value* name = review.object.at({"metadata", "name"});
  throw invalid(*served.kind, name && name->is_string() ? name->as_string() : std::string(), std::move(causes));
}

store::Encoded Admission::encode(const Target& target, const json::Value& object) const {
  store::Encoded encoded;
  if (const View* view = target.served->view.get()) {
    json::Value stored = object;
    view->store(stored);
    encoded = object::encode(stored);
  } else {
    encoded = object::encode(object);
  }
  if (encoded.text.size() > limits_.object_bytes_max) {
    throw Error(ErrorCode::TooLarge, std::string(target.served->resource.qualified()) + " " +
                                         object::quoted(target.name) + " has " + std::to_string(encoded.text.size()) +
                                         " bytes; at most " + std::to_string(limits_.object_bytes_max) + " are stored");
  }
  return encoded;
}

}  // namespace gantry::api
