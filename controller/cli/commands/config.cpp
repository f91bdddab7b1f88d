// gantry config: the kubeconfig that says which servers there are, and where each flag's value comes from.
#include "controller/api/kubeconfig.hpp"
#include "controller/base/files.hpp"
#include "controller/base/yaml.hpp"
#include "controller/cli/commands.hpp"
#include "controller/cli/configuration.hpp"
#include "controller/cli/nearest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/text_table.hpp"

namespace gantry::cli {
namespace {

std::string path_of_kubeconfig(Context& context) {
  const Surroundings& around = context.surroundings();
  const auto named =
      api::kubeconfig_files(context.flags().text("kubeconfig"), around.environment("KUBECONFIG"), around.home);
  if (named.empty()) throw Error(ErrorCode::NotFound, "no kubeconfig is named: --kubeconfig FILE, or $KUBECONFIG");
  return named.front();
}

json::Value read_kubeconfig(const std::string& path) {
  const auto text = files::read_file_if_exists(path);
  if (!text)
    throw Error(ErrorCode::NotFound,
                "there is no kubeconfig at " + path + "; gantry controller writes one into its data directory");
  try {
    return yaml::parse(*text);
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.message());
  }
}

// Keys and tokens are shown as kubectl shows them.
void hide_secrets(json::Value& value) {
  if (value.is_array()) {
    for (json::Value& item : value.as_array()) hide_secrets(item);
  }
  if (!value.is_object()) return;
  for (json::Member& member : value.as_object()) {
    if (member.key == "token" || member.key == "password") {
      member.value = "REDACTED";
    } else if (member.key.ends_with("-data")) {
      member.value = "DATA+OMITTED";
    } else {
      hide_secrets(member.value);
    }
  }
}

int show_origins(Context& context) {
  const auto layers = configuration_layers(context.surroundings(), context.commands());
  TextTable table({"FLAG", "VALUE", "FROM"});
  std::set<std::string_view> seen;
  const auto add = [&](const Flag& flag) {
    if (!flag.sourced || !seen.insert(flag.name).second) return;
    for (const Layer& layer : layers) {
      const auto value = layer.find(flag.name);
      if (!value) continue;
      const std::string from = layer.origin == "environment" ? environment_name(flag.name) : layer.origin;
      table.add({std::string(flag.name), *value, from});
      return;
    }
    if (!flag.otherwise.empty()) table.add({std::string(flag.name), std::string(flag.otherwise), "default"});
  };
  for (const Flag& flag : global_flags()) add(flag);
  for (const Command& command : context.commands()) {
    for (const Flag& flag : command.flags) {
      // Defaults may differ from command to command; only what somebody has set is listed for these.
      const bool set =
          std::ranges::any_of(layers, [&](const Layer& layer) { return layer.find(flag.name).has_value(); });
      if (set) add(flag);
    }
  }
  table.print(context.out(), true, context.style());
  return kOk;
}

int view(Context& context) {
  if (context.flags().on("show-origin")) return show_origins(context);
  json::Value config = read_kubeconfig(path_of_kubeconfig(context));
  if (!context.flags().on("raw")) hide_secrets(config);
  const Output output = output_of(context.flags());
  print_value(context, output.for_people() ? Output{Output::Form::Yaml, ""} : output, config);
  return kOk;
}

const json::Array& contexts_of(const json::Value& config) {
  static const json::Array kNone;
  const json::Value* contexts = config.find("contexts");
  return contexts && contexts->is_array() ? contexts->as_array() : kNone;
}

int get_contexts(Context& context) {
  const json::Value config = read_kubeconfig(path_of_kubeconfig(context));
  TextTable table({"CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"});
  const std::string current = config.string_or("current-context");
  for (const json::Value& entry : contexts_of(config)) {
    const std::string name = entry.string_or("name");
    const auto field = [&entry](std::string_view key) {
      const json::Value* value = entry.at({"context", key});
      return value ? text_of(*value) : std::string();
    };
    table.add({name == current ? "*" : "", name, field("cluster"), field("user"), field("namespace")});
  }
  table.print(context.out(), true, context.style());
  return kOk;
}

int use_context(Context& context) {
  if (context.operands().size() != 1) throw UsageError("say which: gantry config use-context NAME");
  const std::string& wanted = context.operands().front();
  const std::string path = path_of_kubeconfig(context);
  json::Value config = read_kubeconfig(path);
  std::vector<std::string> names;
  for (const json::Value& entry : contexts_of(config)) names.push_back(entry.string_or("name"));
  if (std::ranges::find(names, wanted) == names.end()) {
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    std::string message = "there is no context \"" + wanted + "\" in " + path;
    if (const auto near = nearest(wanted, candidates)) message += "; did you mean \"" + *near + "\"?";
    throw Error(ErrorCode::NotFound, message);
  }
  config["current-context"] = wanted;
  files::write_file_atomically(path, yaml::dump(config), 0600);
  context.out() << "Switched to context \"" << wanted << "\".\n";
  return kOk;
}

}  // namespace

Command config_view_command() {
  return {
      .name = "config view",
      .group = "Configuration",
      .usage = "",
      .summary = "Show the kubeconfig, or where each flag's value comes from",
      .help =
          "Flags win over GANTRY_<FLAG>, that over gantry.yaml in the working directory or above it, that over\n"
          "~/.config/gantry/config.yaml, that over /etc/gantry/config.yaml, and that over the default.\n"
          "\n"
          "Examples:\n"
          "  gantry config view\n"
          "  gantry config view --show-origin\n",
      .flags = {{.name = "show-origin", .help = "list flags with the place their value comes from", .sourced = false},
                {.name = "raw", .help = "with keys and tokens", .sourced = false},
                kOutputFlag},
      .run = view,
  };
}

Command config_get_contexts_command() {
  return {.name = "config get-contexts",
          .group = "Configuration",
          .usage = "",
          .summary = "List the contexts of the kubeconfig",
          .help = "Examples:\n  gantry config get-contexts\n",
          .flags = {},
          .run = get_contexts};
}

Command config_use_context_command() {
  return {.name = "config use-context",
          .group = "Configuration",
          .usage = "NAME",
          .summary = "Make a context the one that is used",
          .help = "Examples:\n  gantry config use-context prod\n",
          .flags = {},
          .run = use_context};
}

}  // namespace gantry::cli
