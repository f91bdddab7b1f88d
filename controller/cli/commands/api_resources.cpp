// gantry api-resources: which kinds the server has, and what they may be called.
#include "controller/cli/commands.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/text_table.hpp"

namespace gantry::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

int api_resources(Context& context) {
  const Flags& flags = context.flags();
  const Output output = output_of(flags);
  if (!output.for_people() && output.form != Output::Form::Name) throw UsageError("-o is wide or name here");
  context.discovery().refresh();
  std::vector<std::string> headers = {"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"};
  const bool wide = output.form == Output::Form::Wide;
  if (wide) headers.insert(headers.end(), {"VERBS", "CATEGORIES"});
  TextTable table(headers);
  std::vector<ResourcePtr> resources = context.discovery().all();
  std::ranges::stable_sort(resources, {},
                           [](const ResourcePtr& resource) { return std::pair(resource->group, resource->plural); });
  for (const ResourcePtr& resource : resources) {
    if (flags.given("api-group") && resource->group != flags.text("api-group")) continue;
    if (flags.given("namespaced") && resource->namespaced != flags.on("namespaced")) continue;
    if (output.form == Output::Form::Name) {
      context.out() << resource->qualified() << "\n";
      continue;
    }
    std::vector<std::string> row = {resource->plural, joined(resource->short_names), resource->api_version(),
                                    resource->namespaced ? "true" : "false", resource->kind};
    if (wide) row.insert(row.end(), {joined(resource->verbs), joined(resource->categories)});
    table.add(std::move(row));
  }
  table.print(context.out(), !flags.on("no-headers"), context.style());
  return kOk;
}

}  // namespace

Command api_resources_command() {
  return {
      .name = "api-resources",
      .group = "Learn",
      .usage = "",
      .summary = "List the kinds that the server has",
      .help =
          "Examples:\n"
          "  gantry api-resources\n"
          "  gantry api-resources --api-group=gantry.dev -o wide\n",
      .flags = {kOutputFlag,
                {.name = "api-group", .value = "GROUP", .help = "of this group only; empty: core", .sourced = false},
                {.name = "namespaced", .help = "with namespaces (--namespaced=false: without)", .sourced = false},
                {.name = "no-headers", .help = "rows only"}},
      .run = api_resources,
  };
}

}  // namespace gantry::cli
