#include "controller/object/object.hpp"

#include <algorithm>

namespace gantry::object {

const std::string* Meta::label(std::string_view key) const {
  const auto at = std::lower_bound(labels.begin(), labels.end(), key,
                                   [](const auto& label, std::string_view k) { return label.first < k; });
  return at != labels.end() && at->first == key ? &at->second : nullptr;
}

bool Meta::has_finalizer(std::string_view name) const {
  return std::find(finalizers.begin(), finalizers.end(), name) != finalizers.end();
}

std::string Encoded::with(Revision revision) const {
  const std::string digits = std::to_string(revision);
  std::string out;
  out.reserve(text.size() + digits.size());
  out.append(text, 0, revision_at).append(digits).append(text, revision_at);
  return out;
}

Encoded encode(const json::Value& object) {
  Encoded encoded;
  encoded.meta = meta_of(object);
  std::string& out = encoded.text;
  constexpr std::string_view kRevision = "resourceVersion";
  const auto metadata = [&](const json::Object& members) {
    bool written = false;
    out += '{';
    const auto revision = [&] {
      written = true;
      out += "\"resourceVersion\":\"";
      encoded.revision_at = out.size();
      out += '"';
    };
    bool first = true;
    const auto comma = [&] {
      if (!std::exchange(first, false)) out += ',';
    };
    for (const auto& [key, value] : members) {
      if (!written && key >= kRevision) {
        comma();
        revision();
      }
      if (key == kRevision) continue;
      comma();
      json::append_quoted(out, key);
      out += ':';
      json::dump_to(out, value);
    }
    if (!written) {
      comma();
      revision();
    }
    out += '}';
  };
  out.reserve(2048);
  out += '{';
  bool first = true;
  for (const auto& [key, value] : object.as_object()) {
    if (!std::exchange(first, false)) out += ',';
    json::append_quoted(out, key);
    out += ':';
    if (key == "metadata") {
      metadata(value.as_object());
    } else {
      json::dump_to(out, value);
    }
  }
  out += '}';
  return encoded;
}

Meta meta_of(const json::Value& object) {
  Meta meta;
  const json::Value* metadata = object.find("metadata");
  if (!metadata || !metadata->is_object()) return meta;
  meta.uid = metadata->string_or("uid");
  meta.generation = metadata->int_or("generation", 0);
  const json::Value* deletion = metadata->find("deletionTimestamp");
  meta.deleting = deletion && deletion->is_string();
  if (const auto* labels = metadata->find("labels"); labels && labels->is_object()) {
    for (const auto& [key, value] : labels->as_object()) {
      if (value.is_string()) meta.labels.emplace_back(key, value.as_string());
    }
  }
  if (const auto* finalizers = metadata->find("finalizers"); finalizers && finalizers->is_array()) {
    for (const auto& name : finalizers->as_array()) {
      if (name.is_string()) meta.finalizers.push_back(name.as_string());
    }
  }
  if (const auto* owners = metadata->find("ownerReferences"); owners && owners->is_array()) {
    for (const auto& owner : owners->as_array()) {
      meta.owners.push_back({owner.string_or("uid"), owner.string_or("apiVersion"), owner.string_or("kind"),
                             owner.string_or("name"), owner.bool_or("controller", false),
                             owner.bool_or("blockOwnerDeletion", false)});
    }
  }
  return meta;
}

}  // namespace gantry::object
