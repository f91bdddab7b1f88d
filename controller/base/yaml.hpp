// YAML in and out. Manifests only: never on a hot path.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::yaml {

// One document of a stream. A broken document has error set and no value; the others are still there, unless the
// stream itself cannot be split any further, and then the last document says so.
struct Document {
  json::Value value;
  std::size_t line = 0;  // 1-based, where the document's first content stands
  std::string error;     // "line 12: ..." ; empty when the document is good
  std::size_t error_line = 0;
  std::vector<std::string> duplicates;  // paths of keys that stand twice: an error under strict validation
  // The line of each field that has one, by path as in FieldError.field: "spec.ports[0].port" -> 12.
  std::vector<std::pair<std::string, std::size_t>> lines;
  std::size_t line_of(std::string_view path) const;  // of the field, or of its nearest ancestor
};

struct Limits {
  std::size_t bytes_max = 16 << 20;  // of the whole stream
  std::size_t depth_max = 100;
  std::size_t nodes_max = 500'000;  // after aliases are expanded, per document: an alias bomb ends here
};

// YAML 1.1 as kubectl reads it (sigs.k8s.io/yaml): y, yes, on are booleans; a mapping key that is no string becomes
// one. JSON is YAML. Empty documents are left out. Never throws for bad input: it is reported in the documents.
std::vector<Document> parse_all(std::string_view text, const Limits& limits = {});
// The one document of text. Throws Error(BadRequest) with the line when it is broken or not exactly one.
json::Value parse(std::string_view text);

// Block style, members in the order of keys, as kubectl get -o yaml. Strings are quoted when YAML 1.1 would misread
// them.
std::string dump(const json::Value& value);

}  // namespace gantry::yaml
