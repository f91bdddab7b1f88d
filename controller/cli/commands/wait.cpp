// gantry wait: returns when objects are as told, or the time is up.
#include "controller/cli/commands.hpp"
#include "controller/cli/conditions.hpp"
#include "controller/cli/manifest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/path.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

// What --for says, as a question about an object (null: absent).
struct Wish {
  std::function<bool(const json::Value*)> met;
  std::function<std::string(const json::Value&)> state;  // how the object falls short, for the message
  std::string met_text;                                  // "condition met", "deleted"
  bool absent_is_error = true;                           // a condition of what does not exist cannot come true
};

Wish condition_wish(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string type(text.substr(0, equals));
  const std::string status(equals == std::string_view::npos ? "True" : text.substr(equals + 1));
  if (type.empty()) throw UsageError("--for=condition=TYPE[=STATUS], such as condition=Ready");
  return {.met = [=](const json::Value* object) { return object && condition_is(*object, type, status); },
          .state = [=](const json::Value& object) { return condition_text(object, type); },
          .met_text = "condition met"};
}

Wish path_wish(std::string_view text) {
  const std::size_t end = text.find('}');
  if (!text.starts_with('{') || end == std::string_view::npos) {
    throw UsageError("--for=jsonpath={.status.release}[=VALUE]: the path stands in braces");
  }
  const std::string path(text.substr(0, end + 1));
  std::string_view rest = text.substr(end + 1);
  std::optional<std::string> wanted;
  if (rest.starts_with('=')) wanted = std::string(rest.substr(1));
  if (!rest.empty() && !wanted) throw UsageError("behind the path stands =VALUE, or nothing");
  const PathPtr compiled = path_of(path);
  return {.met =
              [=](const json::Value* object) {
                if (!object) return false;
                const auto found = compiled->find(*object);
                if (!wanted) return !found.empty();
                return std::ranges::any_of(found, [&](const json::Value* value) { return text_of(*value) == *wanted; });
              },
          .state =
              [=](const json::Value& object) {
                const auto found = compiled->find(object);
                return path + " is " + (found.empty() ? std::string("absent") : "\"" + text_of(*found.front()) + "\"");
              },
          .met_text = "condition met"};
}

Wish wish_of(const std::string& text) {
  const auto present = [](const json::Value&) { return std::string("it is still there"); };
  if (text == "delete") {
    return {.met = [](const json::Value* object) { return !object; },
            .state = present,
            .met_text = "deleted",
            .absent_is_error = false};
  }
  if (text == "create") {
    return {.met = [](const json::Value* object) { return object != nullptr; },
            .state = present,
            .met_text = "created",
            .absent_is_error = false};
  }
  constexpr std::string_view kCondition = "condition=", kPath = "jsonpath=";
  if (text.starts_with(kCondition)) return condition_wish(std::string_view(text).substr(kCondition.size()));
  if (text.starts_with(kPath)) return path_wish(std::string_view(text).substr(kPath.size()));
  throw UsageError("--for must be condition=TYPE[=STATUS], delete, create, or jsonpath={PATH}[=VALUE], not \"" + text +
                   "\"");
}

struct Awaited {
  ResourcePtr resource;
  std::string ns;
  std::string name;
};

std::vector<Awaited> awaited(Context& context) {
  const Flags& flags = context.flags();
  std::vector<Awaited> all;
  if (flags.given("filename")) {
    for (const Manifest& manifest : read_manifests(context, flags.all("filename"), flags.on("recursive"))) {
      if (!manifest.error.empty()) throw Error(ErrorCode::BadRequest, manifest.where() + ": " + manifest.error);
      all.push_back({manifest.resource, manifest.ns, manifest.name});
    }
    return all;
  }
  for (const Target& target : targets_of(context, context.operands())) {
    const std::string ns = context.ns_for(*target.resource);
    if (!target.name.empty()) {
      all.push_back({target.resource, ns, target.name});
      continue;
    }
    if (!flags.given("selector") && !flags.on("all")) {
      throw UsageError("say which of the " + target.resource->plural + ": a name, -l LABELS or --all");
    }
    for (const json::Value& item : list_all(context, *target.resource, ns, flags.text("selector"))) {
      all.push_back({target.resource, metadata_of(item, "namespace"), metadata_of(item, "name")});
    }
  }
  if (all.empty()) throw Error(ErrorCode::NotFound, "no matching resources found");
  return all;
}

int wait(Context& context) {
  const Wish wish = wish_of(context.flags().text("for"));
  const Instant end = context.clock().now() + context.flags().duration("timeout").value_or(std::chrono::seconds(30));
  bool in_time = true;
  for (const Awaited& one : awaited(context)) {
    const std::string label = one.resource->label(one.name);
    std::string state = "it does not exist";
    const auto enough = [&](const json::Value* object) {
      if (!object && wish.absent_is_error) {
        throw ServerError(ErrorCode::NotFound, one.resource->qualified() + " \"" + one.name + "\" not found");
      }
      state = object ? wish.state(*object) : "it does not exist";
      return wish.met(object);
    };
    const Duration left = std::max(Duration(end - context.clock().now()), Duration::zero());
    if (wait_until(context, *one.resource, one.ns, one.name, left, enough)) {
      context.out() << label << " " << wish.met_text << "\n" << std::flush;
      continue;
    }
    in_time = false;
    context.print(Error(ErrorCode::Timeout,
                        "timed out waiting for " + context.flags().text("for") + " of " + label + ": " + state));
  }
  return in_time ? kOk : kTimedOut;
}

}  // namespace

Command wait_command() {
  return {
      .name = "wait",
      .group = "See what is",
      .usage = "TYPE NAME... | TYPE (-l LABELS | --all) | -f FILE  --for=WHAT",
      .summary = "Wait until objects are as told",
      .help =
          "A condition counts only when it speaks of the present generation. Exit code 3 when the time is up.\n"
          "\n"
          "Examples:\n"
          "  gantry wait app web --for=condition=Ready --timeout=2m\n"
          "  gantry wait apps --all --for=condition=Ready\n"
          "  gantry wait app web --for=delete\n"
          "  gantry wait app web --for=jsonpath='{.status.readyReplicas}'=2\n",
      .flags =
          {{.name = "for",
            .value = "WHAT",
            .help = "condition=TYPE[=STATUS], delete, create, jsonpath={PATH}[=VALUE]",
            .otherwise = "condition=Ready",
            .sourced = false},
           {.name = "timeout", .value = "TIME", .help = "how long", .otherwise = "30s"},
           kFilenameFlag,
           kRecursiveFlag,
           {.name = "selector", .letter = 'l', .value = "LABELS", .help = "those with these labels", .sourced = false},
           {.name = "all", .help = "all of the type", .sourced = false},
           {.name = "all-namespaces", .letter = 'A', .help = "in every namespace", .sourced = false}},
      .run = wait,
  };
}

}  // namespace gantry::cli
