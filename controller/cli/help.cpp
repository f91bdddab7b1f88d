#include "controller/cli/help.hpp"

#include "controller/cli/context.hpp"

namespace gantry::cli {
namespace {

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  if (out.size() < width) out.append(width - out.size(), ' ');
  return out;
}

std::string left_side(const Flag& flag) {
  std::string text = flag.letter ? std::string("-") + flag.letter + ", " : "    ";
  text += "--" + std::string(flag.name);
  if (!flag.value.empty()) text += "=" + std::string(flag.value);
  return text;
}

void print_flags(std::ostream& out, std::span<const Flag> flags) {
  std::size_t width = 0;
  for (const Flag& flag : flags) width = std::max(width, left_side(flag).size());
  for (const Flag& flag : flags) {
    out << "  " << padded(left_side(flag), width) << "   " << flag.help;
    if (!flag.otherwise.empty()) out << " [" << flag.otherwise << "]";
    out << "\n";
  }
}

}  // namespace

void print_overview(std::ostream& out, std::span<const Command> commands, const Style& style) {
  out << "gantry keeps real infrastructure equal to what manifests declare.\n\n"
         "Two lines to begin with:\n"
         "  gantry quickstart              # a controller and an example that runs, on this machine\n"
         "  gantry apply -f manifests/     # what is in the files becomes true\n";
  std::vector<std::string_view> groups;
  std::size_t width = 0;
  for (const Command& command : commands) {
    if (command.hidden) continue;
    if (std::ranges::find(groups, command.group) == groups.end()) groups.push_back(command.group);
    width = std::max(width, command.name.size());
  }
  for (const std::string_view group : groups) {
    out << "\n" << style.bold(group) << "\n";
    for (const Command& command : commands) {
      if (command.group != group || command.hidden) continue;
      out << "  " << padded(command.name, width) << "   " << command.summary << "\n";
    }
  }
  out << "\nEvery command explains itself: gantry get --help. Flags may also be set as GANTRY_<FLAG>, or in "
         "gantry.yaml.\n";
}

void print_help(std::ostream& out, const Command& command, const Style& style) {
  out << command.summary << ".\n\n" << style.bold("Usage:") << "\n  gantry " << command.name;
  if (!command.usage.empty()) out << " " << command.usage;
  out << "\n";
  if (!command.help.empty()) out << "\n" << command.help;
  if (!command.flags.empty()) {
    out << "\n" << style.bold("Flags:") << "\n";
    print_flags(out, command.flags);
  }
  out << "\n" << style.bold("Flags of every command:") << "\n";
  print_flags(out, global_flags());
}

}  // namespace gantry::cli
