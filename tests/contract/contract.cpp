#include "tests/contract/contract.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "tests/contract/target.hpp"

namespace gantry::contract {
namespace {

using json::Value;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const std::string* header(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (lower(key) == name) return &value;
  }
  return nullptr;
}

// What stands in a URL is text; the schema says what it is meant to be. Left as text when it is not that.
Value meant(const Value& schema, const std::string& word) {
  const std::string type = schema.string_or("type");
  if (type == "integer" || type == "number") {
    char* end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    if (!word.empty() && *end == '\0')
      return word.find_first_of(".eE") == std::string::npos ? Value(std::strtoll(word.c_str(), nullptr, 10))
                                                            : Value(number);
  }
  if (type == "boolean" && (word == "true" || word == "false")) return word == "true";
  return word;
}

// The largest integers of some vendors pass 64 bits (2^64, rounded up): read as decimals.
std::string with_huge_numbers_as_decimals(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool quoted = false;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      ++digits;
    } else {
      if (!quoted && digits > 19 && c != '.' && c != 'e' && c != 'E') out += ".0";
      digits = 0;
    }
    if (c == '"') quoted = !quoted;
    out += c;
    if (c == '\\' && quoted && i + 1 < text.size()) out += text[++i];
  }
  return out;
}

}  // namespace

std::string Contract::folder() {
  if (const char* named = std::getenv("GANTRY_SPECS"); named && *named) return named;
  return (std::filesystem::path(GANTRY_SOURCE_DIR).parent_path() / "shared" / "specs").string();
}

const Contract* Contract::of(std::string_view vendor) {
  static std::map<std::string, std::unique_ptr<Contract>, std::less<>> contracts;
  auto found = contracts.find(vendor);
  if (found == contracts.end()) {
    const auto text = files::read_file_if_exists(folder() + "/" + std::string(vendor) + "/openapi.json");
    found = contracts.emplace(vendor, text ? std::make_unique<Contract>(*text) : nullptr).first;
  }
  return found->second.get();
}

Contract::Contract(std::string_view document) : schemas_(json::parse(with_huge_numbers_as_decimals(document))) {
  const Value& root = schemas_.document();
  if (const Value* servers = root.find("servers"); servers && !servers->as_array().empty()) {
    const std::string url = servers->as_array()[0].string_or("url");
    const auto host = url.find("://");
    const auto path = host == std::string::npos ? url.find('/') : url.find('/', host + 3);
    if (path != std::string::npos) base_ = url.substr(path);
    while (base_.ends_with('/')) base_.pop_back();
  }
  for (const auto& [path, item] : root.find("paths")->as_object()) {
    for (const auto& [method, operation] : item.as_object()) {
      static const std::set<std::string, std::less<>> methods{"get",   "put",  "post",   "delete",
                                                              "patch", "head", "options"};
      if (methods.contains(method)) add(path, method, item, operation);
    }
  }
  // Fixed paths before templates.
  std::stable_sort(operations_.begin(), operations_.end(), [](const Operation& a, const Operation& b) {
    return std::count(a.segments.begin(), a.segments.end(), "{}") <
           std::count(b.segments.begin(), b.segments.end(), "{}");
  });
}

void Contract::add(const std::string& path, const std::string& method, const Value& item, const Value& description) {
  Operation operation;
  for (const char c : method) operation.method += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const auto& segment : segments_of(path)) {
    const bool hole = segment.starts_with('{') && segment.ends_with('}');
    operation.segments.push_back(hole ? "{}" : segment);
    if (hole) operation.holes.push_back(segment.substr(1, segment.size() - 2));
  }
  for (const Value* holder : {&item, &description}) {
    const Value* parameters = holder->find("parameters");
    if (!parameters) continue;
    for (const auto& given : parameters->as_array()) {
      const Value& one = schemas_.resolve(given);
      const Value* schema = one.find("schema");
      if (!schema) throw Error(ErrorCode::Invalid, path + ": a parameter without a schema");
      schemas_.prepare(*schema);
      operation.parameters.push_back(
          {one.string_or("name"), one.string_or("in"), one.bool_or("required", false), schema});
    }
  }
  if (const Value* body = description.find("requestBody")) {
    operation.body = &schemas_.resolve(*body);
    for (const auto& [type, content] : operation.body->find("content")->as_object()) {
      if (const Value* schema = content.find("schema")) schemas_.prepare(*schema);
    }
  }
  const Value* security = description.find("security");
  if (!security) security = schemas_.document().find("security");
  operation.needs_identity = security && !security->as_array().empty();
  operation.responses = description.find("responses");
  for (const auto& [code, given] : operation.responses->as_object()) {
    const Value* content = schemas_.resolve(given).find("content");
    if (!content) continue;
    for (const auto& [type, one] : content->as_object()) {
      if (const Value* schema = one.find("schema")) schemas_.prepare(*schema);
    }
  }
  operations_.push_back(std::move(operation));
}

Contract::Found Contract::find(const Request& request) const {
  std::string path = request.target.substr(0, request.target.find('?'));
  if (!base_.empty() && path.starts_with(base_ + "/")) path.erase(0, base_.size());
  const auto segments = segments_of(path);
  for (const auto& operation : operations_) {
    if (operation.method != request.method || operation.segments.size() != segments.size()) continue;
    Found found{&operation, {}};
    bool fits = true;
    for (std::size_t i = 0; i < segments.size() && fits; ++i) {
      if (operation.segments[i] == "{}") {
        found.values.emplace(operation.holes[found.values.size()], segments[i]);
      } else {
        fits = operation.segments[i] == segments[i];
      }
    }
    if (fits) return found;
  }
  return {};
}

void Contract::judge_words(const Parameter& parameter, const std::vector<std::string>& words, Faults& faults) const {
  const Value& schema = schemas_.resolve(*parameter.schema);
  const std::string what = parameter.in + " parameter " + parameter.name + ": ";
  Value value;
  if (schema.string_or("type") == "array") {
    json::Array items;
    for (const auto& word : words) items.push_back(meant(schemas_.resolve(*schema.find("items")), word));
    value = std::move(items);
  } else {
    if (words.size() > 1) faults.push_back(what + "stands there twice");
    value = meant(schema, words.back());
  }
  for (const auto& fault : schemas_.judge(schema, value)) {
    // One of several forms, as in an id or a fingerprint: text fits where a number does not.
    if (value.is_number() && schemas_.judge(schema, Value(words.back())).empty()) return;
    faults.push_back(what + fault);
  }
}

void Contract::judge_query(const Operation& operation, const std::string& target, Faults& faults) const {
  std::map<std::string, std::vector<std::string>> given;
  for (const auto& [name, value] : query_of(target)) given[name].push_back(value);
  for (const auto& parameter : operation.parameters) {
    if (parameter.in != "query") continue;
    auto words = given.find(parameter.name);
    if (words == given.end()) words = given.find(parameter.name + "[]");
    if (words == given.end()) {
      if (parameter.required) faults.push_back("query parameter " + parameter.name + ": is missing");
      continue;
    }
    judge_words(parameter, words->second, faults);
    given.erase(words);
  }
  for (const auto& [name, values] : given) faults.push_back("query parameter " + name + ": nobody describes it");
}

void Contract::judge_body(const Operation& operation, const Request& request, Faults& faults) const {
  if (!operation.body) {
    if (!request.body.empty()) faults.push_back("a body where the operation has none");
    return;
  }
  if (request.body.empty()) {
    if (operation.body->bool_or("required", false)) faults.push_back("the body is missing");
    return;
  }
  const std::string* type = header(request, "content-type");
  const std::string named = type ? lower(type->substr(0, type->find(';'))) : "application/json";
  const Value* content = operation.body->find("content")->find(named);
  if (!content) {
    faults.push_back("content type " + named + " is not offered");
    return;
  }
  const Value* schema = content->find("schema");
  if (!schema || !named.ends_with("json")) return;
  for (auto& fault : schemas_.judge(*schema, json::parse(request.body), Schemas::Unknown::Refused))
    faults.push_back("body " + fault);
}

Faults Contract::judge(const Request& request) const {
  const Found found = find(request);
  if (!found.operation) return {"no such operation: " + request.method + " " + request.target};
  Faults faults;
  if (found.operation->needs_identity && !header(request, "authorization"))
    faults.push_back("the Authorization header is missing");
  for (const auto& parameter : found.operation->parameters) {
    if (const auto value = found.values.find(parameter.name); parameter.in == "path" && value != found.values.end())
      judge_words(parameter, {value->second}, faults);
    if (parameter.in != "header") continue;
    if (const std::string* value = header(request, lower(parameter.name))) {
      judge_words(parameter, {*value}, faults);
    } else if (parameter.required) {
      faults.push_back("header " + parameter.name + ": is missing");
    }
  }
  judge_query(*found.operation, request.target, faults);
  judge_body(*found.operation, request, faults);
  return faults;
}

Faults Contract::judge(const Request& request, const Response& response) const {
  const Found found = find(request);
  if (!found.operation) return {};  // said of the request
  const std::string status = std::to_string(response.status);
  const Value* answer = nullptr;
  int best = 0;
  for (const auto& [code, given] : found.operation->responses->as_object()) {
    const int fit = code == status ? 3 : lower(code) == status.substr(0, 1) + "xx" ? 2 : code == "default" ? 1 : 0;
    if (fit > best) {
      best = fit;
      answer = &schemas_.resolve(given);
    }
  }
  if (!answer) return {"answer " + status + ": nobody describes it"};
  const Value* content = answer->find("content");
  if (!content)
    return response.body.empty() ? Faults{} : Faults{"answer " + status + ": has a body, and should have none"};
  const Value* json = content->find("application/json");
  const Value* schema = json ? json->find("schema") : nullptr;
  if (!schema) return {};
  Faults faults;
  for (auto& fault : schemas_.judge(*schema, json::parse(response.body)))
    faults.push_back("answer " + status + " " + fault);
  return faults;
}

}  // namespace gantry::contract
