// Judges JSON values by the schemas of an OpenAPI 3.0 document: its dialect of JSON Schema (nullable, discriminator,
// $ref beside which nothing counts), with a strict mode in which a body may hold no member that nobody describes.
// What a schema says in words that are not known here is refused when the document is opened, never skipped.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/pattern.hpp"

namespace gantry::contract {

// "$.droplets[0].status: ..." each.
using Faults = std::vector<std::string>;

class Schemas {
 public:
  explicit Schemas(json::Value document) : document_(std::move(document)) {}

  const json::Value& document() const { return document_; }
  // Follows "$ref" as often as it stands there. Throws Error(Invalid) when it leads nowhere.
  const json::Value& resolve(const json::Value& node) const;
  // Reads every schema that can be reached from this one. Throws Error(Invalid) for what could not be judged later.
  void prepare(const json::Value& schema);

  enum class Unknown { Allowed, Refused };
  Faults judge(const json::Value& schema, const json::Value& value, Unknown unknown = Unknown::Allowed) const;

 private:
  struct Judgement {
    Faults faults;
    std::set<std::string> described;  // members of the value that some schema spoke of
  };
  void judge(const json::Value& schema, const json::Value& value, const std::string& path, Judgement& result) const;
  void judge_combinations(const json::Value& schema, const json::Value& value, const std::string& path,
                          Judgement& result) const;
  void judge_text(const json::Value& schema, const std::string& text, const std::string& path, Faults& faults) const;
  void judge_number(const json::Value& schema, const json::Value& value, const std::string& path, Faults& faults) const;
  void judge_array(const json::Value& schema, const json::Value& value, const std::string& path, Faults& faults) const;
  void judge_object(const json::Value& schema, const json::Value& value, const std::string& path,
                    Judgement& result) const;

  json::Value document_;
  std::set<const json::Value*> prepared_;
  std::map<std::string, object::Pattern> patterns_;
};

}  // namespace gantry::contract
