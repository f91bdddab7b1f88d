// JSON: what is read and written again is the same, and says the same.
#include "controller/base/json.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run([&] {
    std::vector<std::string> duplicates;
    const json::Value value = json::parse(fuzz::text_of(data, size), &duplicates);
    const std::string text = json::dump(value);
    const json::Value again = json::parse(text);
    fuzz::expect(again == value, "a value survives being written and read");
    fuzz::expect(json::dump(again) == text, "writing is canonical");
    fuzz::expect(json::parse(json::dump_pretty(value)) == value, "a value survives being written for people");
  });
  return 0;
}
