// What -o means, and objects printed so.
#pragma once

#include <string>
#include <vector>

#include "controller/cli/context.hpp"

namespace gantry::cli {

struct Output {
  enum class Form { Table, Wide, Yaml, Json, Name, JsonPath, CustomColumns };
  Form form = Form::Table;
  std::string detail;  // the template, or the columns
  bool for_people() const { return form == Form::Table || form == Form::Wide; }
};

inline constexpr Flag kOutputFlag{.name = "output",
                                  .letter = 'o',
                                  .value = "FORM",
                                  .help = "wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=HEAD:PATH,..."};

// Reads --output. Throws UsageError with the nearest match.
Output output_of(const Flags& flags);

// One object, or a v1 List of them. Not for tables.
void print_value(Context& context, const Output& output, const json::Value& value);

// {"kind":"List","apiVersion":"v1","items":[...]}
json::Value list_of(std::vector<json::Value> items);

// metadata.managedFields fill screens and are for machines.
void drop_managed_fields(json::Value& object);

// "app.gantry.dev/web" of an object, by its own apiVersion and kind.
std::string label_of(const json::Value& object);

// A scalar as it stands in a column or behind a field's name; JSON for the rest. Null is empty.
std::string text_of(const json::Value& value);

// "5m" since an RFC 3339 time; "<unknown>" when there is none.
std::string age_of(const json::Value* time, const Clock& clock);

// metadata.FIELD, or empty.
std::string metadata_of(const json::Value& object, std::string_view field);

}  // namespace gantry::cli
