// What differs between two values, field by field: what `gantry diff`, `gantry plan` and dry runs show to people.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object {

struct FieldChange {
  std::string path;                   // spec.ports[name=http].port; [2] in lists without keys
  std::optional<json::Value> before;  // absent: the field is new
  std::optional<json::Value> after;   // absent: the field goes
  bool hidden = false;                // the values were secret: both are replaced by the same word

  bool operator==(const FieldChange&) const = default;
};

struct DiffOptions {
  // Pairs up the items of keyed lists; null: by position.
  const Schema::Node* node = nullptr;
  // Paths not to look at; the default leaves out what the server keeps: managedFields, resourceVersion, generation, ...
  std::function<bool(std::string_view path)> ignore;
  // Paths whose values must not be shown. The default hides data and stringData of a Secret.
  std::function<bool(std::string_view path)> secret;
  std::size_t changes_max = 1000;
};

// In the order of the fields. A changed list without keys is one change of each item that differs.
std::vector<FieldChange> diff(const json::Value& before, const json::Value& after, const DiffOptions& options = {});

// True for metadata that changes by itself.
bool is_server_field(std::string_view path);

}  // namespace gantry::object
