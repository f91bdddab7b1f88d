#include "controller/api/filter.hpp"

#include <algorithm>

#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

using Path = std::vector<std::string>;

Path split(std::string_view dotted) {
  Path path;
  for (std::size_t start = 0; start <= dotted.size();) {
    const auto dot = std::min(dotted.find('.', start), dotted.size());
    if (dot > start) path.emplace_back(dotted.substr(start, dot - start));
    start = dot + 1;
  }
  return path;
}

// Where the fields by which Events are selected stand, in each of their forms.
constexpr std::array<std::string_view, 10> kEventFields{"involvedObject.kind",       "involvedObject.namespace",
                                                        "involvedObject.name",       "involvedObject.uid",
                                                        "involvedObject.apiVersion", "involvedObject.resourceVersion",
                                                        "involvedObject.fieldPath",  "reason",
                                                        "reportingComponent",        "type"};
constexpr std::array<std::string_view, 10> kEventsGroupFields{"regarding.kind",       "regarding.namespace",
                                                              "regarding.name",       "regarding.uid",
                                                              "regarding.apiVersion", "regarding.resourceVersion",
                                                              "regarding.fieldPath",  "reason",
                                                              "reportingController",  "type"};

// Where a field label points; empty when the kind cannot be selected by it.
Path path_of(const Served& served, const std::string& label) {
  if (label == "metadata.name" || (label == "metadata.namespace" && served.kind->namespaced)) return split(label);
  if (served.is("", "namespaces")) {
    if (label == "name") return {"metadata", "name"};
    if (label == "status.phase") return {"status", "phase"};
  }
  if (served.is("", "secrets") && label == "type") return {"type"};
  if (served.is("", "events")) {
    if (label == "source") return {"source", "component"};
    if (std::ranges::find(kEventFields, label) != kEventFields.end()) return split(label);
  }
  if (served.is("events.k8s.io", "events") && std::ranges::find(kEventsGroupFields, label) != kEventsGroupFields.end())
    return split(label);
  // selectableFields of the CRD's version.
  if (const auto* versions = served.kind->definition.at({"spec", "versions"}); versions && versions->is_array()) {
    for (const auto& version : versions->as_array()) {
      if (version.string_or("name") != served.kind->version) continue;
      const auto* fields = version.find("selectableFields");
      if (!fields || !fields->is_array()) continue;
      for (const auto& field : fields->as_array()) {
        if (field.string_or("jsonPath") == "." + label) return split(label);
      }
    }
  }
  return {};
}

std::string text_at(const json::Value& object, const Path& path) {
  const json::Value* at = &object;
  for (const auto& step : path) {
    at = at->find(step);
    if (!at) return {};
  }
  if (at->is_string()) return at->as_string();
  return at->is_null() || at->is_array() || at->is_object() ? std::string() : json::dump(*at);
}

}  // namespace

Filter::Filter(const Served& served, std::string ns, std::string_view labels, std::string_view fields)
    : view_(served.view), ns_(std::move(ns)) {
  if (!labels.empty()) labels_ = object::LabelSelector::parse(labels);
  if (fields.empty()) return;
  const auto selector = object::FieldSelector::parse(fields);
  for (const auto& term : selector.terms()) {
    Path path = path_of(served, term.path);
    if (path.empty()) {
      throw Error(ErrorCode::BadRequest, "field label not supported: " + term.path);
    }
    if (term.equal && path == Path{"metadata", "name"}) name_ = term.value;
    std::string written;
    json::append_quoted(written, term.value);
    if (written.size() > 2) written = written.substr(1, written.size() - 2);
    terms_.push_back({std::move(path), term.equal, term.value, std::move(written)});
  }
}

bool Filter::holds(const Term& term, const object::Object& object, std::optional<json::Value>& decoded) const {
  if (term.path.size() == 2 && term.path[0] == "metadata") {
    const auto& key = object.key();
    if (term.path[1] == "name") return (key.name == term.value) == term.equal;
    if (term.path[1] == "namespace") return (key.ns == term.value) == term.equal;
  }
  // A form may show what is not stored: a default.
  if (!view_ && !term.value.empty() && object.bytes().find(term.written) == std::string::npos) return !term.equal;
  if (!decoded) {
    decoded = object.decode();
    if (view_) view_->show(*decoded);
  }
  return (text_at(*decoded, term.path) == term.value) == term.equal;
}

bool Filter::matches(const object::Object& object) const {
  if (!ns_.empty() && object.key().ns != ns_) return false;
  if (name_ && object.key().name != *name_) return false;
  if (!labels_.matches(object.meta())) return false;
  std::optional<json::Value> decoded;
  return std::ranges::all_of(terms_, [&](const Term& term) { return holds(term, object, decoded); });
}

}  // namespace gantry::api
