// Content negotiation: which of the forms we can write a client asked for, and what a body is said to be.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::api {

// One clause of an Accept or Content-Type header: "application/json;as=Table;v=v1;g=meta.k8s.io".
struct MediaType {
  std::string type;  // lower case: application/json, */*
  std::vector<std::pair<std::string, std::string>> parameters;
  double q = 1;

  std::string_view parameter(std::string_view name) const;  // empty when absent
};

MediaType parse_media_type(std::string_view clause);
// The clauses by preference: q descending, else as written.
std::vector<MediaType> parse_accept(std::string_view header);

// The form in which an object, a list or a watch event is written.
enum class Form { Plain, Table, Metadata };

// accept may be null (anything will do). Throws Error(NotAcceptable). many: a list, so that
// as=PartialObjectMetadataList is what may be asked for.
Form negotiate_form(const std::string* accept, bool many, bool table_possible = true);

// Whether JSON may be answered at all. Throws Error(NotAcceptable).
void require_json(const std::string* accept);

}  // namespace gantry::api
