// gantry why: in a few lines, why something is not Ready: its conditions that say no, what its newest release left as
// evidence, and the last warnings.
#include <map>

#include "controller/cli/commands.hpp"
#include "controller/cli/conditions.hpp"
#include "controller/cli/describe.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t kWarnings = 5;
constexpr std::size_t kLogLines = 10;

// What a person can do about it; nothing for what passes by itself.
std::string_view advice(std::string_view reason) {
  static const std::map<std::string_view, std::string_view> kAdvice{
      {"CrashLooping", "it ends soon after its start: gantry logs says what it wrote"},
      {"Unhealthy", "it runs, but does not answer spec.health as it should"},
      {"StartFailed", "it cannot be started at all: see spec.command, spec.source and spec.workingDirectory"},
      {"PortInUse", "another program has the port: end that, or leave spec.ports[].hostPort out"},
      {"ReferenceNotFound", "make the object that is named, or change the reference"},
      {"RolloutFailed", "repair it and apply again; the release before serves meanwhile"},
      {"Stopped", "gantry start starts it again"},
      {"ProxyDown", "see the message: Caddy's package, its ports, or the length of --data-dir"},
      {"RouteRefused", "repair spec.routes or the Secret it names"},
      {"CertificateNotReady",
       "the name must lead to this host, and ports 80 and 443 must be reachable for the authority"},
      {"NoInstance", "the instances are the trouble, not the routes"},
      {"Paused", "gantry rollout resume goes on"},
  };
  const auto at = kAdvice.find(reason);
  return at == kAdvice.end() ? std::string_view() : at->second;
}

void say(Context& context, const json::Value& condition) {
  const Style& style = context.style();
  context.out() << "  " << style.bold(condition.string_or("type")) << "=" << style.status(condition.string_or("status"))
                << " (" << condition.string_or("reason") << "): " << condition.string_or("message") << "\n";
}

std::string last_lines(const std::string& text, std::size_t count) {
  std::size_t at = text.size();
  while (at > 0 && text[at - 1] == '\n') --at;
  const std::size_t end = at;
  for (std::size_t lines = 0; at > 0; --at) {
    if (text[at - 1] == '\n' && ++lines == count) break;
  }
  std::string out = "      ";
  for (const char c : text.substr(at, end - at)) {
    if (c == '\n') {
      out += "\n      ";
    } else {
      out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return out;
}

// The evidence of the newest release that failed, if none has served since.
void tell_evidence(Context& context, const Target& target) {
  const ResourcePtr resource = context.discovery().resource("releases.gantry.dev");
  const auto releases = list_all(context, *resource, context.ns(), "gantry.dev/app=" + target.name);
  const json::Value* newest = nullptr;
  const auto revision = [](const json::Value& release) {
    const json::Value* value = release.at({"spec", "revision"});
    return value && value->is_int() ? value->as_int() : 0;
  };
  for (const auto& release : releases) {
    if (!newest || revision(release) > revision(*newest)) newest = &release;
  }
  const json::Value* evidence = newest ? newest->at({"status", "evidence"}) : nullptr;
  const json::Value* phase = newest ? newest->at({"status", "phase"}) : nullptr;
  if (!evidence || !phase || text_of(*phase) != "Failed") return;
  context.out() << "Release " << metadata_of(*newest, "name") << " has failed:\n";
  if (const json::Value* start = evidence->find("start")) context.out() << "  not started: " << text_of(*start) << "\n";
  if (const json::Value* code = evidence->find("exitCode"))
    context.out() << "  it ended with code " << text_of(*code) << "\n";
  if (const json::Value* probe = evidence->find("probe"))
    context.out() << "  its health check said: " << text_of(*probe) << "\n";
  if (const std::string log = evidence->string_or("log"); !log.empty())
    context.out() << "  its last lines:\n" << last_lines(log, kLogLines) << "\n";
}

void tell_warnings(Context& context, const Target& target) {
  const ResourcePtr resource = context.discovery().of_kind("v1", "Event");
  auto events = list_all(context, *resource, context.ns(), {},
                         "involvedObject.kind=" + target.resource->kind + ",involvedObject.name=" + target.name);
  std::erase_if(events, [](const json::Value& event) { return event.string_or("type") != "Warning"; });
  if (events.empty()) return;
  sort_events(events);
  context.out() << "Last warnings:\n";
  for (std::size_t i = events.size() > kWarnings ? events.size() - kWarnings : 0; i < events.size(); ++i) {
    std::string message = events[i].string_or("message");
    std::ranges::replace(message, '\n', ' ');
    context.out() << "  " << event_age(events[i], context.clock()) << " ago: " << events[i].string_or("reason") << ": "
                  << message << "\n";
  }
}

int why(Context& context) {
  const Target target = one_target_of(context, context.operands(), "apps.gantry.dev");
  const json::Value object = context.ask({.path = target.resource->path(context.ns(), target.name)});
  const json::Value* ready = find_condition(object, "Ready");
  const std::string label = target.resource->label(target.name);
  if (!ready) {
    context.out() << label << " has not been looked at yet.\n";
    return kOk;
  }
  if (ready->string_or("status") == "True") {
    context.out() << label << " is Ready: " << ready->string_or("message") << "\n";
  } else {
    context.out() << label << " is not Ready:\n";
    say(context, *ready);
    if (const auto hint = advice(ready->string_or("reason")); !hint.empty())
      context.out() << "  " << context.style().dim(hint) << "\n";
  }
  const json::Value* conditions = object.at({"status", "conditions"});
  for (const auto& condition : conditions->as_array()) {
    if (condition.string_or("type") == "Ready" || condition.string_or("status") == "True") continue;
    if (condition.string_or("message") == ready->string_or("message")) continue;  // the same once more
    say(context, condition);
  }
  if (target.resource->kind == "App") tell_evidence(context, target);
  if (ready->string_or("status") != "True") tell_warnings(context, target);
  return kOk;
}

}  // namespace

Command why_command() {
  return {.name = "why",
          .group = "See what is",
          .usage = "APP | TYPE/NAME",
          .summary = "Say in a few lines why something is not Ready",
          .help =
              "Its conditions that say no, what a failed release left (exit code, log, health check), the last "
              "warnings.\n"
              "\n"
              "Examples:\n"
              "  gantry why web\n"
              "  gantry why source/manifests\n",
          .flags = {},
          .run = why};
}

}  // namespace gantry::cli
