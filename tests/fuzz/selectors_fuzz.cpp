// Label and field selectors, JSONPath and quantities: an expression, a line "---", an object to use it on.
#include "controller/object/jsonpath.hpp"
#include "controller/object/quantity.hpp"
#include "controller/object/selector.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [expression, object_text] = fuzz::halves(fuzz::text_of(data, size));
  json::Value value{json::Object()};
  fuzz::run([&, text = object_text] { value = json::parse(text); });
  const object::Meta meta = object::meta_of(value);
  fuzz::run([&, text = expression] { object::LabelSelector::parse(text).matches(meta); });
  fuzz::run([&] { object::LabelSelector::from_json(value).matches(meta); });
  fuzz::run([&, text = expression] {
    const object::Object object(object::Key{object::Resource::of("g", "apps"), "ns", "name"}, 1, meta,
                                json::dump(value));
    object::FieldSelector::parse(text).matches(object);
  });
  fuzz::run([&, text = expression] { object::JsonPath::parse(text).find(value); });
  fuzz::run([&, text = expression] { object::JsonPath::parse_template(text).print(value); });
  fuzz::run([&, text = expression] { object::parse_milli(text); });
  fuzz::run([&, text = expression] {
    const auto bytes = object::parse_units(text);
    if (bytes >= 0)
      fuzz::expect(object::parse_units(object::format_bytes(bytes)) == bytes,
                   "a quantity survives being written and read");
  });
  return 0;
}
