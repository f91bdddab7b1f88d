// The errors of the Kubernetes API, worded as its clients expect, and the Status that carries them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/api/handler.hpp"
#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/kind.hpp"

namespace gantry::api {

// {"kind":"Status", ...}: the body of status_response(), and the object of a watch's ERROR event.
json::Value to_status(const Error& error);
// What DELETE answers when the object is gone at once.
std::string success_status(const object::Key& key, std::string_view uid);

Error unknown_path();
Error not_found(object::Resource resource, std::string_view name);
Error already_exists(object::Resource resource, std::string_view name);
// The resourceVersion that was sent is not the stored one.
Error conflict(object::Resource resource, std::string_view name);
Error forbidden(object::Resource resource, std::string_view name, std::string_view why);
Error method_not_allowed(object::Resource resource, std::string_view action);
Error unsupported_media_type(std::initializer_list<std::string_view> accepted);
Error not_acceptable(std::initializer_list<std::string_view> served);
// Every cause at once, in the order they were found.
Error invalid(const object::Kind& kind, std::string_view name, std::vector<FieldError> causes);
// An option of the request itself; options is such as "ListOptions".
Error invalid_option(std::string_view options, FieldError cause);
Error too_large_revision(object::Revision asked, object::Revision current);

// object::not_supported() for a fixed choice of words.
FieldError not_one_of(std::string field, std::string_view value, std::initializer_list<std::string> supported);

}  // namespace gantry::api
