// Schemas and server-side apply with the real App: an object, a line "---", a configuration.
#include <cstring>
#include <memory>

#include "controller/base/json.hpp"
#include "controller/object/apply.hpp"
#include "controller/object/diff.hpp"
#include "controller/object/kind.hpp"
#include "controller/object/metadata.hpp"
#include "crds/embedded.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

namespace {

const object::Kind& app() {
  static const object::KindPtr kind = [] {
    for (const auto& file : crds::embedded_files()) {
      if (file.name == "crds/app.yaml") return object::kind_from_definition(json::parse(file.text));
    }
    std::abort();
  }();
  return *kind;
}

object::FieldWriter writer(std::string_view manager) {
  static const std::string version = app().api_version();
  return {manager, version, "", app().has_status, parse_time("2026-01-01T00:00:00Z")};
}

// As the API treats what it gets; null when it would refuse it.
json::Value admitted(json::Value object) {
  const object::Schema& schema = *app().schema;
  if (!object.is_object()) return {};
  schema.prune(object);
  json::Value once = object;
  schema.prune(object);
  fuzz::expect(object == once, "pruning twice is pruning once");
  schema.set_defaults(object);
  once = object;
  schema.set_defaults(object);
  fuzz::expect(object == once, "defaulting twice is defaulting once");
  object::validate_metadata(object, true);
  const auto errors = schema.validate(object);
  fuzz::expect(schema.validate_update(object, object).empty(), "what did not change is not judged again");
  return errors.empty() ? object : json::Value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run([&] {
    const auto [object_text, config_text] = fuzz::halves(fuzz::text_of(data, size));
    json::Value live = admitted(json::parse(object_text));
    if (live.is_null()) return;
    object::track_update(nullptr, live, *app().schema, writer("creator"));
    const json::Value config = json::parse(config_text);
    const auto first = object::apply(&live, config, *app().schema, writer("applier"), true);
    if (!first.changed) return;
    object::diff(live, first.object, {.node = &app().schema->root(), .ignore = {}, .secret = {}});
    const auto second = object::apply(&first.object, config, *app().schema, writer("applier"), false);
    fuzz::expect(!second.changed, "the same apply again changes nothing");
    // Who lets go of everything leaves the others' fields alone.
    json::Value empty{json::Object()};
    const auto third = object::apply(&first.object, empty, *app().schema, writer("applier"), false);
    if (!third.changed) return;
    json::Value after = third.object;
    object::track_update(&live, after, *app().schema, writer("creator"));
  });
  return 0;
}
