// Rules in CEL: an expression, a line "---", an object to use it on. Whatever it is, it is refused or answered, and
// soon.
#include "controller/object/schema.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

namespace {

json::Value schema_with(std::string_view rule) {
  json::Value schema = json::parse(R"({"type":"object","properties":{"spec":{"type":"object","properties":{
    "a":{"type":"integer"},"b":{"type":"number"},"s":{"type":"string"},"t":{"type":"string","maxLength":16},
    "list":{"type":"array","items":{"type":"string"}},
    "keyed":{"type":"array","maxItems":9,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],
      "items":{"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"v":{"type":"string"}}}},
    "map":{"type":"object","additionalProperties":{"type":"integer"}},"either":{"x-kubernetes-int-or-string":true}}}}})");
  schema["properties"]["spec"]["x-kubernetes-validations"] =
      json::Array{json::Object{{"message", "no"}, {"rule", rule}}};
  return schema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [rule_text, object_text] = fuzz::halves(fuzz::text_of(data, size));
  fuzz::run([rule = rule_text, text = object_text] {
    const auto schema = object::Schema::compile(schema_with(rule));
    json::Value object = json::parse(text);
    schema->prune(object);
    schema->validate(object);
    schema->validate_update(object, object);
  });
  return 0;
}
