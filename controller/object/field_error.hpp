// Violations in user input, in Kubernetes' words (k8s.io/apimachinery field.Error): what clients parse and people know.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::object {

// field is a path such as spec.ports[0].port; detail is what stands behind the value.
FieldError required(std::string field, std::string_view detail = {});
FieldError invalid(std::string field, const json::Value& value, std::string_view detail);
FieldError type_invalid(std::string field, const json::Value& value, std::string_view detail);
FieldError not_supported(std::string field, const json::Value& value, std::span<const std::string> supported);
FieldError duplicate(std::string field, const json::Value& value);
FieldError forbidden(std::string field, std::string_view detail);
FieldError too_long(std::string field, std::int64_t bytes_max);
FieldError too_many(std::string field, std::int64_t actual, std::int64_t max);

// As Go's %q: "text" with quotes and escapes.
std::string quoted(std::string_view text);

// The 422 for an object: `App.gantry.dev "web" is invalid: [spec.a: Required value, ...]`. causes must not be empty.
Error invalid_object(std::string_view group, std::string_view kind, std::string_view name,
                     std::vector<FieldError> causes);

}  // namespace gantry::object
