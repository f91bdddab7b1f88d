#include "controller/object/field_error.hpp"

namespace gantry::object {

namespace {

// A huge value is not repeated whole in an error.
constexpr std::size_t kShown = 1024;

std::string shown(const json::Value& value) {
  if (value.is_null()) return "\"null\"";
  std::string text = json::dump(value);
  if (text.size() > kShown) {
    text.resize(kShown);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80)) text.pop_back();
    text += "...";
  }
  return text;
}

FieldError make(std::string_view reason, std::string field, std::string message, std::string_view detail) {
  if (!detail.empty()) message.append(": ").append(detail);
  return FieldError{std::string(reason), std::move(field), std::move(message)};
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out;
  json::append_quoted(out, text);
  return out;
}

FieldError required(std::string field, std::string_view detail) {
  return make("FieldValueRequired", std::move(field), "Required value", detail);
}

FieldError invalid(std::string field, const json::Value& value, std::string_view detail) {
  return make("FieldValueInvalid", std::move(field), "Invalid value: " + shown(value), detail);
}

FieldError type_invalid(std::string field, const json::Value& value, std::string_view detail) {
  return make("FieldValueTypeInvalid", std::move(field), "Invalid value: " + shown(value), detail);
}

FieldError not_supported(std::string field, const json::Value& value, std::span<const std::string> supported) {
  std::string detail;
  for (const auto& word : supported) detail.append(detail.empty() ? "supported values: " : ", ").append(quoted(word));
  return make("FieldValueNotSupported", std::move(field), "Unsupported value: " + shown(value), detail);
}

FieldError duplicate(std::string field, const json::Value& value) {
  return make("FieldValueDuplicate", std::move(field), "Duplicate value: " + shown(value), {});
}

FieldError forbidden(std::string field, std::string_view detail) {
  return make("FieldValueForbidden", std::move(field), "Forbidden", detail);
}

FieldError too_long(std::string field, std::int64_t bytes_max) {
  const std::string detail =
      "may not be more than " + std::to_string(bytes_max) + (bytes_max == 1 ? " byte" : " bytes");
  return make("FieldValueTooLong", std::move(field), "Too long", detail);
}

FieldError too_many(std::string field, std::int64_t actual, std::int64_t max) {
  const std::string detail = "must have at most " + std::to_string(max) + (max == 1 ? " item" : " items");
  return make("FieldValueTooMany", std::move(field), "Too many: " + std::to_string(actual), detail);
}

Error invalid_object(std::string_view group, std::string_view kind, std::string_view name,
                     std::vector<FieldError> causes) {
  std::string message(kind);
  if (!group.empty()) message.append(".").append(group);
  message.append(" ").append(quoted(name)).append(" is invalid: ");
  if (causes.size() > 1) message += '[';
  bool first = true;
  for (const auto& cause : causes) {
    if (!first) message += ", ";
    first = false;
    message.append(cause.field).append(": ").append(cause.message);
  }
  if (causes.size() > 1) message += ']';
  Error error(ErrorCode::Invalid, std::move(message));
  error.about = Error::About{std::string(group), std::string(kind), std::string(name), {}};
  error.causes = std::move(causes);
  return error;
}

}  // namespace gantry::object
