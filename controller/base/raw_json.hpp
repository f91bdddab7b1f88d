// Looks into an object's bytes without decoding them: for what is asked of every event. The bytes are canonical JSON
// (valid, no spaces), as every stored object's are.
#pragma once

#include <initializer_list>
#include <string_view>

namespace gantry::json {

// The bytes of the member's value: raw_at(bytes, {"metadata", "annotations"}) -> {"a":"b"}. Empty when absent.
// Keys are compared as they stand in the text, so they must need no escapes.
std::string_view raw_at(std::string_view object, std::initializer_list<std::string_view> path);

}  // namespace gantry::json
