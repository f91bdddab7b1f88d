// gantry describe: everything about an object, laid out for people: what is wished, what is true, what happened.
#include "controller/cli/describe.hpp"
#include "controller/cli/commands.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

std::vector<json::Value> events_of(Context& context, const json::Value& object) {
  const ResourcePtr events = context.discovery().find_kind("v1", "Event");
  if (!events) return {};
  const std::string ns = metadata_of(object, "namespace");
  return list_all(context, *events, ns.empty() ? "default" : ns, {},
                  "involvedObject.kind=" + object.string_or("kind") + ",involvedObject.name=" +
                      metadata_of(object, "name") + ",involvedObject.uid=" + metadata_of(object, "uid"));
}

// Best effort: whoever may not see them, or asks an older server, sees the rest.
void print_calls(Context& context, const json::Value& object) {
  const std::string kind = object.string_or("kind");
  if (!object.string_or("apiVersion").starts_with("gantry.dev/")) return;
  if (kind != "Provider" && kind != "Server" && kind != "Snapshot") return;
  const ResourcePtr resource = context.discovery().find_kind(object.string_or("apiVersion"), kind);
  if (!resource) return;
  const Response response = context.server().send(
      {.path = resource->path(metadata_of(object, "namespace"), metadata_of(object, "name")) + "/calls"});
  if (response.ok()) print_call_table(context.out(), response.json(), context.clock(), context.style());
}

int describe(Context& context) {
  std::vector<json::Value> objects;
  bool good = true;
  const std::vector<Target> targets = targets_of(context, context.operands());
  for (const Target& target : targets) {
    const std::string ns = context.ns_for(*target.resource);
    try {
      if (target.name.empty()) {
        for (json::Value& item : list_all(context, *target.resource, ns, context.flags().text("selector"))) {
          objects.push_back(std::move(item));
        }
      } else {
        objects.push_back(context.ask({.path = target.resource->path(ns, target.name)}));
        objects.back()["apiVersion"] = target.resource->api_version();
        objects.back()["kind"] = target.resource->kind;
      }
    } catch (const ServerError& error) {
      if (targets.size() == 1) throw;
      context.print(error);
      good = false;
    }
  }
  if (objects.empty() && good) context.err() << "No resources found\n";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (i) context.out() << "\n\n";
    const bool with_events = context.flags().on("show-events");
    print_description(context.out(), objects[i], context.clock(), context.style());
    if (with_events) print_calls(context, objects[i]);
    if (with_events) print_event_table(context.out(), events_of(context, objects[i]), context.clock(), context.style());
  }
  return good ? kOk : kFailed;
}

}  // namespace

Command describe_command() {
  return {
      .name = "describe",
      .group = "See what is",
      .usage = "TYPE [NAME...] | TYPE/NAME...",
      .summary = "Explain an object to people: spec, status, conditions and what happened to it",
      .help =
          "Values of Secrets are not shown.\n"
          "\n"
          "Examples:\n"
          "  gantry describe app web\n"
          "  gantry describe apps -l team=shop\n",
      .flags = {{.name = "selector", .letter = 'l', .value = "LABELS", .help = "those with these labels"},
                {.name = "all-namespaces", .letter = 'A', .help = "of every namespace", .sourced = false},
                {.name = "show-events", .help = "with what happened", .otherwise = "true"}},
      .run = describe,
  };
}

}  // namespace gantry::cli
