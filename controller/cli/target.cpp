#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

std::vector<ResourcePtr> types_of(Context& context, std::string_view words) {
  std::vector<ResourcePtr> types;
  while (true) {
    const std::size_t comma = words.find(',');
    const std::string_view word = words.substr(0, comma);
    if (word.empty()) throw UsageError("a type is missing between the commas");
    const auto members = context.discovery().category(word);
    if (members.empty()) {
      types.push_back(context.discovery().resource(word));
    } else {
      types.insert(types.end(), members.begin(), members.end());
    }
    if (comma == std::string_view::npos) return types;
    words.remove_prefix(comma + 1);
  }
}

}  // namespace

std::vector<Target> targets_of(Context& context, std::span<const std::string> operands) {
  if (operands.empty()) {
    throw UsageError("say what: gantry " + std::string(context.command().name) +
                     " TYPE [NAME...], such as \"apps\" or \"app/web\" (gantry api-resources lists the types)");
  }
  std::vector<Target> targets;
  const bool slashes = operands[0].find('/') != std::string::npos;
  if (slashes) {
    for (const std::string& word : operands) {
      const std::size_t slash = word.find('/');
      if (slash == std::string::npos || slash == 0 || slash + 1 == word.size()) {
        throw UsageError("\"" + word + "\" is not TYPE/NAME, as the words before it are");
      }
      targets.push_back({context.discovery().resource(word.substr(0, slash)), word.substr(slash + 1)});
    }
    return targets;
  }
  const std::vector<ResourcePtr> types = types_of(context, operands[0]);
  for (const ResourcePtr& type : types) {
    if (operands.size() == 1) targets.push_back({type, ""});
    for (const std::string& name : operands.subspan(1)) {
      if (name.empty()) throw UsageError("a name is empty");
      if (name.find('/') != std::string::npos) {
        throw UsageError("\"" + name + "\" names a type, but " + operands[0] + " does already");
      }
      targets.push_back({type, name});
    }
  }
  return targets;
}

std::vector<Target> named_targets_of(Context& context, std::span<const std::string> operands) {
  std::vector<Target> targets = targets_of(context, operands);
  for (const Target& target : targets) {
    if (target.name.empty()) throw UsageError("say which of the " + target.resource->plural + ": its name is missing");
  }
  return targets;
}

Target one_target_of(Context& context, std::span<const std::string> operands, std::string_view default_type) {
  if (operands.size() == 1 && !default_type.empty() && operands[0].find('/') == std::string::npos) {
    return {context.discovery().resource(default_type), operands[0]};
  }
  const std::vector<Target> targets = named_targets_of(context, operands);
  if (targets.size() != 1) throw UsageError("name one object only");
  return targets.front();
}

std::vector<json::Value> list_all(Context& context, const ApiResource& resource, const std::string& ns,
                                  std::string_view label_selector, std::string_view field_selector) {
  std::vector<json::Value> items;
  std::string next;
  do {
    Request request;
    request.path = resource.path(ns) + query({{"limit", "500"},
                                              {"labelSelector", label_selector},
                                              {"fieldSelector", field_selector},
                                              {"continue", next}});
    json::Value list = context.ask(request);
    if (json::Value* found = list.find("items"); found && found->is_array()) {
      for (json::Value& item : found->as_array()) {
        item["apiVersion"] = resource.api_version();
        item["kind"] = resource.kind;
        items.push_back(std::move(item));
      }
    }
    const json::Value* metadata = list.find("metadata");
    next = metadata ? metadata->string_or("continue") : "";
  } while (!next.empty());
  return items;
}

}  // namespace gantry::cli
