// YAML: bounded work for any text, and what is written is read as the same.
#include "controller/base/yaml.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const yaml::Limits limits{.bytes_max = 1 << 20, .depth_max = 100, .nodes_max = 10'000};
  for (const auto& document : yaml::parse_all(fuzz::text_of(data, size), limits)) {
    if (!document.error.empty()) continue;
    fuzz::expect(yaml::parse(yaml::dump(document.value)) == document.value,
                 "a document survives being written and read");
  }
  return 0;
}
