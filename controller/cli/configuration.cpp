#include "controller/cli/configuration.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/yaml.hpp"
#include "controller/cli/context.hpp"
#include "controller/cli/nearest.hpp"

namespace gantry::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> candidates(const Surroundings& surroundings) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (fs::path folder = fs::current_path(ignored); !folder.empty(); folder = folder.parent_path()) {
    files.push_back((folder / "gantry.yaml").string());
    if (fs::exists(files.back(), ignored)) break;
    files.pop_back();
    if (folder == folder.parent_path()) break;
  }
  const auto xdg = surroundings.environment("XDG_CONFIG_HOME");
  const std::string user = xdg && !xdg->empty()        ? *xdg
                           : surroundings.home.empty() ? ""
                                                       : surroundings.home + "/.config";
  if (!user.empty()) files.push_back(user + "/gantry/config.yaml");
  files.push_back("/etc/gantry/config.yaml");
  return files;
}

std::vector<std::string_view> names_of_flags(std::span<const Command> commands) {
  std::vector<std::string_view> names;
  const auto add = [&names](std::span<const Flag> flags) {
    for (const Flag& flag : flags) {
      if (flag.sourced) names.push_back(flag.name);
    }
  };
  add(global_flags());
  for (const Command& command : commands) add(command.flags);
  return names;
}

std::string text_of(const json::Value& value) { return value.is_string() ? value.as_string() : json::dump(value); }

std::map<std::string, std::string, std::less<>> read(const std::string& file, std::istream& in,
                                                     std::span<const std::string_view> names) {
  std::ostringstream text;
  text << in.rdbuf();
  std::map<std::string, std::string, std::less<>> values;
  const auto documents = yaml::parse_all(text.view());
  if (documents.empty()) return values;
  const yaml::Document& document = documents.front();
  if (!document.error.empty()) throw UsageError(file + ": " + document.error);
  if (documents.size() > 1 || !document.value.is_object()) {
    throw UsageError(file + ": must be one mapping of flags to values, such as \"namespace: prod\"");
  }
  for (const json::Member& member : document.value.as_object()) {
    if (member.key.starts_with("x-")) continue;
    if (std::ranges::find(names, member.key) == names.end()) {
      std::string message =
          file + ":" + std::to_string(document.line_of(member.key)) + ": no flag is called \"" + member.key + "\"";
      if (const auto near = nearest(member.key, names)) message += "; did you mean \"" + *near + "\"?";
      throw UsageError(message);
    }
    values[member.key] = text_of(member.value);
  }
  return values;
}

}  // namespace

std::vector<Layer> configuration_layers(const Surroundings& surroundings, std::span<const Command> commands) {
  std::vector<Layer> layers;
  layers.push_back({"environment", [&surroundings](std::string_view flag) {
                      return surroundings.environment(environment_name(flag));
                    }});
  if (!surroundings.configuration_files) return layers;
  for (const std::string& path : candidates(surroundings)) {
    std::ifstream in(path, std::ios::binary);
    if (!in) continue;
    layers.push_back({path, [values = read(path, in, names_of_flags(commands))](std::string_view flag) {
                        const auto found = values.find(flag);
                        return found == values.end() ? std::nullopt : std::optional(found->second);
                      }});
  }
  return layers;
}

}  // namespace gantry::cli
