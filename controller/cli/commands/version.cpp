// gantry version: of this program, and of the server.
#include "controller/cli/version.hpp"

#include "controller/cli/commands.hpp"
#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

int version(Context& context) {
  const Output output = output_of(context.flags());
  json::Value versions = json::Object{{"clientVersion", json::Object{{"gitVersion", "v" + std::string(kVersion)}}}};
  int code = kOk;
  if (!context.flags().on("client")) {
    try {
      versions["serverVersion"] = context.ask({.path = "/version"});
    } catch (const Error& error) {  // the client's own version is still worth printing
      context.print(error);
      code = traits(error.code()).exit_code;
    }
  }
  if (!output.for_people()) {
    print_value(context, output, versions);
    return code;
  }
  context.out() << "Client Version: v" << kVersion << "\n";
  if (const json::Value* server = versions.find("serverVersion")) {
    context.out() << "Server Version: " << server->string_or("gitVersion") << "\n";
  }
  return code;
}

}  // namespace

Command version_command() {
  return {
      .name = "version",
      .group = "Learn",
      .usage = "",
      .summary = "Show the versions of this program and of the server",
      .help =
          "Examples:\n"
          "  gantry version\n"
          "  gantry version --client -o json\n",
      .flags = {{.name = "client", .help = "of this program only; asks no server", .sourced = false}, kOutputFlag},
      .run = version,
  };
}

}  // namespace gantry::cli
