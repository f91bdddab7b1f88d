// gantry import: manifests for what exists at a Provider's account and nobody has declared.
#include "controller/base/yaml.hpp"
#include "controller/cli/commands.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

int import(Context& context) {
  const Target target = one_target_of(context, context.operands(), "provider");
  const std::string ns = context.ns_for(*target.resource);
  const json::Value found = context.ask({.path = target.resource->path(ns, target.name) + "/existing"});
  const json::Value* items = found.find("items");
  if (!items || !items->is_array() || items->as_array().empty()) {
    context.err() << "there is nothing at " << target.name << " that is not declared already\n";
    return kOk;
  }
  context.out() << "# Applied, these take over what exists at Provider " << target.name
                << ". Each real thing stays when its object is deleted.\n";
  bool first = true;
  for (const auto& item : items->as_array()) {
    if (!std::exchange(first, false)) context.out() << "---\n";
    context.out() << yaml::dump(item);
  }
  return kOk;
}

}  // namespace

Command import_command() {
  return {
      .name = "import",
      .group = "See what is",
      .usage = "PROVIDER",
      .summary = "Write manifests for what exists at a provider and is not declared",
      .help =
          "Prints a Server for each machine of the account that nobody has declared, and a Snapshot for each image,\n"
          "with the annotation gantry.dev/external-name: applied, they are taken over as they are, and nothing is "
          "made\n"
          "or changed but the mark that says whose they are. Firewalls stay as they are until spec.firewall is set.\n"
          "\n"
          "Examples:\n"
          "  gantry import hetzner > servers.yaml\n"
          "  gantry import do -n prod | gantry apply -f -\n",
      .flags = {},
      .run = import,
  };
}

}  // namespace gantry::cli
