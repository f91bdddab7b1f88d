#include "tests/contract/schema.hpp"

#include <arpa/inet.h>

#include <cmath>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"

namespace gantry::contract {
namespace {

using json::Value;

const std::set<std::string, std::less<>> kJudged{"type",
                                                 "properties",
                                                 "required",
                                                 "enum",
                                                 "items",
                                                 "oneOf",
                                                 "anyOf",
                                                 "allOf",
                                                 "nullable",
                                                 "pattern",
                                                 "format",
                                                 "minLength",
                                                 "maxLength",
                                                 "minimum",
                                                 "maximum",
                                                 "minItems",
                                                 "maxItems",
                                                 "uniqueItems",
                                                 "maxProperties",
                                                 "minProperties",
                                                 "additionalProperties",
                                                 "multipleOf",
                                                 "not",
                                                 "exclusiveMinimum",
                                                 "exclusiveMaximum",
                                                 "discriminator"};
const std::set<std::string, std::less<>> kOnlyWords{"description", "title",    "example",   "examples",     "default",
                                                    "deprecated",  "readOnly", "writeOnly", "externalDocs", "xml"};

bool is_type(const Value& value, std::string_view type) {
  if (type == "number") return value.is_number();
  if (type == "integer")
    return value.is_int() || (value.is_double() && std::floor(value.as_double()) == value.as_double());
  return value.type_name() == type;
}

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

bool all_of(std::string_view text, std::string_view among) {
  return text.find_first_not_of(among) == std::string_view::npos;
}

bool is_time(const std::string& text) {
  try {
    parse_time(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos)
      return false;
  }
  return true;
}

bool is_address(const std::string& text, int family) {
  unsigned char bytes[16];
  return ::inet_pton(family, text.c_str(), bytes) == 1;
}

// Formats that are not named here say nothing that could be judged.
bool has_format(const std::string& text, std::string_view format) {
  if (format == "date-time") return is_time(text);
  if (format == "uuid") return is_uuid(text);
  if (format == "ipv4") return is_address(text, AF_INET);
  if (format == "ipv6") return is_address(text, AF_INET6);
  if (format == "decimal") return !text.empty() && all_of(text, "0123456789.-") && text.find('.') != 0;
  if (format == "uri") return text.find(':') != std::string::npos;
  if (format == "email") return text.find('@') != std::string::npos;
  return true;
}

std::string shown(const Value& value) {
  std::string text = json::dump(value);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

}  // namespace

const Value& Schemas::resolve(const Value& node) const {
  const Value* at = &node;
  for (const Value* ref = at->find("$ref"); ref && ref->is_string(); ref = at->find("$ref")) {
    const std::string& text = ref->as_string();
    if (!text.starts_with("#/")) throw Error(ErrorCode::Invalid, "a reference to elsewhere: " + text);
    const Value* to = &document_;
    for (std::size_t begin = 2; begin <= text.size() && to;) {
      const std::size_t end = std::min(text.find('/', begin), text.size());
      std::string step = text.substr(begin, end - begin);
      for (const auto& [escape, plain] :
           {std::pair("~1", "/"), std::pair("~0", "~"), std::pair("%7B", "{"), std::pair("%7D", "}")}) {
        for (std::size_t found; (found = step.find(escape)) != std::string::npos;)
          step.replace(found, std::string_view(escape).size(), plain);
      }
      to = to->is_array() ? &to->as_array().at(std::stoul(step)) : to->find(step);
      begin = end + 1;
    }
    if (!to) throw Error(ErrorCode::Invalid, "a reference to nothing: " + text);
    at = to;
  }
  return *at;
}

void Schemas::prepare(const Value& given) {
  const Value& schema = resolve(given);
  if (!prepared_.insert(&schema).second) return;
  if (!schema.is_object()) throw Error(ErrorCode::Invalid, "a schema is a " + std::string(schema.type_name()));
  for (const auto& [word, said] : schema.as_object()) {
    if (word.starts_with("x-") || kOnlyWords.contains(word)) continue;
    if (!kJudged.contains(word))
      throw Error(ErrorCode::Invalid, "a schema says \"" + word + "\", which cannot be judged");
    if (word == "type") {
      static const std::set<std::string, std::less<>> types{"object",  "array",  "string",
                                                            "integer", "number", "boolean"};
      if (!said.is_string() || !types.contains(said.as_string()))
        throw Error(ErrorCode::Invalid, "unknown type " + json::dump(said));
    } else if (word == "pattern") {
      if (!patterns_.contains(said.as_string())) patterns_.emplace(said.as_string(), object::Pattern(said.as_string()));
    } else if (word == "properties") {
      for (const auto& [name, part] : said.as_object()) prepare(part);
    } else if (word == "oneOf" || word == "anyOf" || word == "allOf") {
      if (said.as_array().empty()) throw Error(ErrorCode::Invalid, "an empty " + word);
      for (const auto& part : said.as_array()) prepare(part);
    } else if (word == "items" || word == "not" || (word == "additionalProperties" && said.is_object())) {
      prepare(said);
    } else if (word == "discriminator") {
      if (const Value* mapping = said.find("mapping")) {
        for (const auto& [key, target] : mapping->as_object()) prepare(Value(json::Object{{"$ref", target}}));
      }
    }
  }
}

Faults Schemas::judge(const Value& schema, const Value& value, Unknown unknown) const {
  Judgement result;
  judge(schema, value, "$", result);
  if (unknown == Unknown::Refused && value.is_object()) {
    for (const auto& [name, member] : value.as_object()) {
      if (!result.described.contains(name)) result.faults.push_back("$." + name + ": nobody describes it");
    }
  }
  return std::move(result.faults);
}

void Schemas::judge(const Value& given, const Value& value, const std::string& path, Judgement& result) const {
  const Value& schema = resolve(given);
  if (value.is_null() && schema.bool_or("nullable", false)) return;
  if (const std::string type = schema.string_or("type"); !type.empty() && !is_type(value, type)) {
    result.faults.push_back(path + ": " + shown(value) + " is no " + type);
    return;
  }
  if (const Value* choice = schema.find("enum")) {
    const auto& values = choice->as_array();
    if (std::find(values.begin(), values.end(), value) == values.end())
      result.faults.push_back(path + ": " + shown(value) + " is none of " + shown(*choice));
  }
  judge_combinations(schema, value, path, result);
  if (value.is_string()) judge_text(schema, value.as_string(), path, result.faults);
  if (value.is_number()) judge_number(schema, value, path, result.faults);
  if (value.is_array()) judge_array(schema, value, path, result.faults);
  if (value.is_object()) judge_object(schema, value, path, result);
}

void Schemas::judge_combinations(const Value& schema, const Value& value, const std::string& path,
                                 Judgement& result) const {
  if (const Value* all = schema.find("allOf")) {
    for (const auto& part : all->as_array()) judge(part, value, path, result);
  }
  if (const Value* no = schema.find("not")) {
    Judgement inner;
    judge(*no, value, path, inner);
    if (inner.faults.empty()) result.faults.push_back(path + ": is what it must not be");
  }
  // A mapping names the one schema that counts: the alternatives beside it may hold their common base, which allows
  // all. (That base may have the mapping too, without alternatives: there it tells nothing new.)
  const Value* mapping = schema.at({"discriminator", "mapping"});
  const bool has_alternatives = schema.find("oneOf") || schema.find("anyOf");
  if (mapping && has_alternatives && value.is_object()) {
    const std::string property = schema.find("discriminator")->string_or("propertyName");
    const std::string key = value.string_or(property);
    const Value* target = mapping->find(key);
    if (!target) {
      result.faults.push_back(path + "." + property + ": \"" + key + "\" is not one of those that are told apart");
      return;
    }
    result.described.insert(property);
    judge(Value(json::Object{{"$ref", *target}}), value, path, result);
    return;
  }
  for (const char* word : {"oneOf", "anyOf"}) {
    const Value* parts = schema.find(word);
    if (!parts) continue;
    std::size_t fitting = 0;
    Faults nearest;
    for (const auto& part : parts->as_array()) {
      Judgement inner;
      judge(part, value, path, inner);
      if (inner.faults.empty()) {
        ++fitting;
        result.described.merge(inner.described);
      } else if (nearest.empty() || inner.faults.size() < nearest.size()) {
        nearest = std::move(inner.faults);
      }
    }
    if (fitting == 0) {
      result.faults.push_back(path + ": fits none of " + word + "; nearest:");
      result.faults.insert(result.faults.end(), nearest.begin(), nearest.end());
    } else if (fitting > 1 && word == std::string_view("oneOf")) {
      result.faults.push_back(path + ": fits " + std::to_string(fitting) + " of oneOf");
    }
  }
}

void Schemas::judge_text(const Value& schema, const std::string& text, const std::string& path, Faults& faults) const {
  const auto length = static_cast<std::int64_t>(characters(text));
  if (length < schema.int_or("minLength", 0)) faults.push_back(path + ": is too short");
  if (length > schema.int_or("maxLength", INT64_MAX)) faults.push_back(path + ": is too long");
  if (const Value* pattern = schema.find("pattern"); pattern && !patterns_.at(pattern->as_string()).found_in(text))
    faults.push_back(path + ": \"" + text.substr(0, 60) + "\" does not match " + pattern->as_string());
  if (const std::string format = schema.string_or("format"); !has_format(text, format))
    faults.push_back(path + ": \"" + text.substr(0, 60) + "\" is no " + format);
}

void Schemas::judge_number(const Value& schema, const Value& value, const std::string& path, Faults& faults) const {
  const double number = value.as_double();
  const auto outside = [&](const char* word, const char* exclusive, bool above) {
    const Value* bound = schema.find(word);
    if (!bound) return;
    const double limit = bound->as_double();
    const bool past = above ? number > limit : number < limit;
    if (past || (schema.bool_or(exclusive, false) && number == limit))
      faults.push_back(path + ": " + shown(value) + " passes its " + word + " " + shown(*bound));
  };
  outside("minimum", "exclusiveMinimum", false);
  outside("maximum", "exclusiveMaximum", true);
  if (const Value* step = schema.find("multipleOf"); step && std::fmod(number, step->as_double()) != 0)
    faults.push_back(path + ": " + shown(value) + " is no multiple of " + shown(*step));
  if (schema.string_or("format") == "int32" && std::abs(number) > 2147483648.0)
    faults.push_back(path + ": " + shown(value) + " is no int32");
}

void Schemas::judge_array(const Value& schema, const Value& value, const std::string& path, Faults& faults) const {
  const auto& items = value.as_array();
  const auto count = static_cast<std::int64_t>(items.size());
  if (count < schema.int_or("minItems", 0)) faults.push_back(path + ": has too few items");
  if (count > schema.int_or("maxItems", INT64_MAX)) faults.push_back(path + ": has too many items");
  const bool unique = schema.bool_or("uniqueItems", false);
  const Value* each = schema.find("items");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string at = path + "[" + std::to_string(i) + "]";
    if (unique && std::find(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(i), items[i]) !=
                      items.begin() + static_cast<std::ptrdiff_t>(i))
      faults.push_back(at + ": stands there twice");
    if (!each) continue;
    Judgement inner;
    judge(*each, items[i], at, inner);
    faults.insert(faults.end(), inner.faults.begin(), inner.faults.end());
  }
}

void Schemas::judge_object(const Value& schema, const Value& value, const std::string& path, Judgement& result) const {
  const auto& object = value.as_object();
  const auto count = static_cast<std::int64_t>(object.size());
  if (count < schema.int_or("minProperties", 0)) result.faults.push_back(path + ": has too few members");
  if (count > schema.int_or("maxProperties", INT64_MAX)) result.faults.push_back(path + ": has too many members");
  if (const Value* required = schema.find("required")) {
    for (const auto& name : required->as_array()) {
      if (!object.contains(name.as_string())) result.faults.push_back(path + "." + name.as_string() + ": is missing");
    }
  }
  const Value* properties = schema.find("properties");
  const Value* others = schema.find("additionalProperties");
  for (const auto& [name, member] : object) {
    const std::string at = path + "." + name;
    const Value* part = properties ? properties->find(name) : nullptr;
    if (!part && !others) continue;
    if (!part && others->is_bool() && !others->as_bool()) {
      result.faults.push_back(at + ": is not allowed");
      continue;
    }
    result.described.insert(name);
    if (!part && !others->is_object()) continue;
    Judgement inner;
    judge(part ? *part : *others, member, at, inner);
    result.faults.insert(result.faults.end(), inner.faults.begin(), inner.faults.end());
  }
}

}  // namespace gantry::contract
