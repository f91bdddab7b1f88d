// Every definition that is compiled in is a structural schema, and says what it should about itself.
#include <gtest/gtest.h>

#include "controller/base/yaml.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/kind.hpp"
#include "crds/embedded.hpp"

namespace gantry::object {
namespace {

TEST(Definitions, AllCompile) {
  for (const auto& file : crds::embedded_files()) {
    SCOPED_TRACE(file.name);
    for (const auto& document : yaml::parse_all(file.text)) {
      try {
        const KindPtr kind = kind_from_definition(document.value);
        EXPECT_FALSE(kind->columns.empty() && !kind->is_core());
        EXPECT_EQ(kind->resource.plural(), kind->plural);
      } catch (const Error& error) {
        for (const auto& cause : error.causes) ADD_FAILURE() << cause.field << ": " << cause.message;
        ADD_FAILURE() << error.message();
      }
    }
  }
}

}  // namespace
}  // namespace gantry::object
