// gantry logs: what an App's instances write.
#include "controller/cli/commands.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

int logs(Context& context) {
  const Flags& flags = context.flags();
  if (context.operands().empty()) throw UsageError("say of which App: gantry logs web");
  const Target target = one_target_of(context, context.operands(), "apps.gantry.dev");
  std::string since;
  if (const auto age = flags.duration("since")) {
    // At least one second: 0 would mean everything.
    since = std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(*age).count()));
  }
  const std::int64_t tail = flags.number("tail").value_or(-1);
  const auto word = [&flags](std::string_view flag) {
    return flags.on(flag) ? std::string_view("true") : std::string_view();
  };
  Request request;
  request.path = target.resource->path(context.ns_for(*target.resource), target.name, "log") +
                 query({{"follow", word("follow")},
                        {"tailLines", tail >= 0 ? std::to_string(tail) : std::string()},
                        {"sinceSeconds", since},
                        {"timestamps", word("timestamps")},
                        {"previous", word("previous")},
                        {"build", word("build")},
                        {"slot", flags.number("slot") ? flags.text("slot") : std::string()},
                        {"instance", flags.text("instance")},
                        {"run", flags.text("run")}});
  request.accept = "text/plain, */*";
  const bool follow = flags.on("follow");
  context.server().stream(request, [&](std::string_view line) {
    context.out() << line << "\n";
    if (follow) context.out().flush();
    return context.out().good();
  });
  return kOk;
}

}  // namespace

Command logs_command() {
  return {
      .name = "logs",
      .group = "See what is",
      .usage = "APP | TYPE/NAME",
      .summary = "Print what an App's instances write",
      .help =
          "With several replicas each line begins with its instance, unless --slot or --instance chooses one.\n"
          "\n"
          "Examples:\n"
          "  gantry logs web\n"
          "  gantry logs web -f --tail=20            # the last 20 lines, then what follows\n"
          "  gantry logs web --slot=1 --since=10m --timestamps\n"
          "  gantry logs web --run nightly           # of the schedule's newest run\n"
          "  gantry logs web --build -f              # what the build writes\n"
          "  gantry logs web --previous              # of the instance before the last restart\n",
      .flags = {{.name = "follow", .letter = 'f', .help = "go on with what is written", .sourced = false},
                {.name = "tail", .value = "N", .help = "only the last N lines; -1: all", .otherwise = "-1"},
                {.name = "since", .value = "TIME", .help = "only lines younger than this: 10m"},
                {.name = "timestamps", .help = "with the time of each line"},
                {.name = "slot", .value = "N", .help = "of one replica, from 0", .sourced = false},
                {.name = "instance", .value = "ID", .help = "of one instance", .sourced = false},
                {.name = "run", .value = "SCHEDULE", .help = "of the newest run of a schedule", .sourced = false},
                {.name = "build", .help = "of its newest build instead", .sourced = false},
                {.name = "previous", .letter = 'p', .help = "of instances that have ended", .sourced = false}},
      .run = logs,
  };
}

}  // namespace gantry::cli
