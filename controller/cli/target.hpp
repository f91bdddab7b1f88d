// What a command is to act on, as people say it: TYPE, TYPE NAME..., TYPE/NAME..., TYPE,TYPE, a category.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "controller/cli/context.hpp"

namespace gantry::cli {

struct Target {
  ResourcePtr resource;
  std::string name;  // empty: all of them
};

// Throws UsageError for words that make no sense together, Error(NotFound) for a type that the server does not have.
std::vector<Target> targets_of(Context& context, std::span<const std::string> operands);
// The same, but each target must have a name.
std::vector<Target> named_targets_of(Context& context, std::span<const std::string> operands);
// Exactly one object. "web" alone is an App.
Target one_target_of(Context& context, std::span<const std::string> operands, std::string_view default_type = {});

// Every page of a list: its items, each with apiVersion and kind.
std::vector<json::Value> list_all(Context& context, const ApiResource& resource, const std::string& ns,
                                  std::string_view label_selector = {}, std::string_view field_selector = {});

}  // namespace gantry::cli
