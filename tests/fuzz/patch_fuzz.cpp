// The patches: a document, a line "---", a patch. The merge patch is compared with the algorithm of RFC 7386 as it
// stands there.
#include "controller/object/patch.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

namespace {

json::Value by_the_rfc(json::Value target, const json::Value& patch) {
  if (!patch.is_object()) return patch;
  if (!target.is_object()) target = json::Value(json::Object());
  for (const auto& [name, value] : patch.as_object()) {
    if (value.is_null()) {
      target.as_object().erase(name);
    } else {
      target[name] = by_the_rfc(std::move(target[name]), value);
    }
  }
  return target;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run([&] {
    const auto [document_text, patch_text] = fuzz::halves(fuzz::text_of(data, size));
    const json::Value document = json::parse(document_text);
    const json::Value patch = json::parse(patch_text);
    fuzz::expect(object::merge_patch(document, patch) == by_the_rfc(document, patch),
                 "a merge patch does what the RFC says");
    fuzz::run([&] { json::parse(json::dump(object::json_patch(document, patch)), nullptr, {.depth_max = 220}); });
    fuzz::run([&] { object::strategic_merge_patch(document, patch); });
  });
  return 0;
}
