// gantry events: what happened, oldest first.
#include "controller/cli/commands.hpp"
#include "controller/cli/describe.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/text_table.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

std::string selector_for(Context& context) {
  const std::string about = context.flags().text("for");
  if (about.empty()) return {};
  const std::vector<std::string> words = {about};
  const Target target = one_target_of(context, words);
  return "involvedObject.kind=" + target.resource->kind +
         ",involvedObject.apiVersion=" + target.resource->api_version() + ",involvedObject.name=" + target.name;
}

std::vector<std::string> row_of(const json::Value& event, bool with_namespace, const Clock& clock) {
  static const json::Value kNothing = json::Object{};
  const json::Value* about = event.find("involvedObject");
  const json::Value& object = about ? *about : kNothing;
  std::string kind = object.string_or("kind");
  for (char& c : kind) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string message = event.string_or("message");
  std::ranges::replace(message, '\n', ' ');
  std::vector<std::string> row = {event_age(event, clock), event.string_or("type"), event.string_or("reason"),
                                  kind + "/" + object.string_or("name"), message};
  if (with_namespace) row.insert(row.begin(), metadata_of(event, "namespace"));
  return row;
}

int events(Context& context) {
  const Flags& flags = context.flags();
  const Output output = output_of(flags);
  const ResourcePtr resource = context.discovery().of_kind("v1", "Event");
  const bool everywhere = flags.on("all-namespaces");
  const std::string types = flags.text("types");
  WatchRequest request;
  request.path = resource->path(context.ns_for(*resource));
  request.field_selector = selector_for(context);
  const auto wanted = [&types](const json::Value& event) {
    return types.empty() || ("," + types + ",").find("," + event.string_or("type") + ",") != std::string::npos;
  };

  json::Value list = context.ask(list_request(request));
  std::vector<json::Value> found;
  for (json::Value& event : list["items"].as_array()) {
    event["apiVersion"] = "v1";
    event["kind"] = "Event";
    if (wanted(event)) found.push_back(std::move(event));
  }
  sort_events(found);
  if (!output.for_people()) {
    print_value(context, output, list_of(std::move(found)));
    return kOk;
  }
  std::vector<std::string> headers = {"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"};
  if (everywhere) headers.insert(headers.begin(), "NAMESPACE");
  TextTable table(headers);
  for (const json::Value& event : found) table.add(row_of(event, everywhere, context.clock()));
  bool with_headers = !flags.on("no-headers");
  if (!table.empty()) table.print(context.out(), std::exchange(with_headers, false), context.style());
  if (!flags.on("watch")) {
    if (found.empty())
      context.err() << "No events found" << (everywhere ? ".\n" : " in " + context.ns() + " namespace.\n");
    return kOk;
  }
  context.out().flush();
  watch_from(context, request, metadata_of(list, "resourceVersion"), std::nullopt, [&](const WatchEvent& event) {
    if (event.type == "DELETED" || !wanted(event.object)) return true;
    table.add(row_of(event.object, everywhere, context.clock()));
    table.print(context.out(), std::exchange(with_headers, false), context.style());
    context.out().flush();
    return context.out().good();
  });
  return kOk;
}

}  // namespace

Command events_command() {
  return {
      .name = "events",
      .group = "See what is",
      .usage = "[--for=TYPE/NAME]",
      .summary = "Show what happened: each change to real infrastructure, and each failure",
      .help =
          "Examples:\n"
          "  gantry events                       # of the namespace, oldest first\n"
          "  gantry events --for=app/web -w\n"
          "  gantry events -A --types=Warning\n",
      .flags = {{.name = "for", .value = "TYPE/NAME", .help = "about this object only", .sourced = false},
                {.name = "watch", .letter = 'w', .help = "go on with what happens", .sourced = false},
                {.name = "types", .value = "TYPE,...", .help = "Normal, Warning"},
                {.name = "all-namespaces", .letter = 'A', .help = "of every namespace", .sourced = false},
                {.name = "no-headers", .help = "rows only"},
                kOutputFlag},
      .run = events,
  };
}

}  // namespace gantry::cli
