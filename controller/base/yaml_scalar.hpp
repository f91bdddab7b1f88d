// What a plain YAML 1.1 scalar means. The reader resolves with it; the writer quotes what it would resolve to no
// string.
#pragma once

#include <optional>
#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::yaml {

// As sigs.k8s.io/yaml: y, yes, on are booleans, 0x1f and 017 are integers, timestamps stay strings. Empty for a number
// that JSON cannot hold (.inf, .nan).
std::optional<json::Value> resolve_plain(std::string_view text);
// One of null, bool, int, float, by its explicit tag (tag:yaml.org,2002:int). Empty when text is no such thing.
std::optional<json::Value> resolve_tagged(std::string_view kind, std::string_view text);

}  // namespace gantry::yaml
