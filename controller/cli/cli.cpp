#include "controller/cli/cli.hpp"

#include <cstdlib>
#include <iostream>

#include "controller/cli/commands.hpp"
#include "controller/cli/configuration.hpp"
#include "controller/cli/context.hpp"
#include "controller/cli/help.hpp"
#include "controller/cli/nearest.hpp"
#include "controller/cli/remote_server.hpp"

namespace gantry::cli {
namespace {

Surroundings completed(Surroundings surroundings) {
  if (!surroundings.environment) {
    surroundings.environment = [](const std::string& name) -> std::optional<std::string> {
      const char* value = std::getenv(name.c_str());
      return value ? std::optional<std::string>(value) : std::nullopt;
    };
  }
  if (!surroundings.clock) surroundings.clock = &system_clock();
  if (surroundings.home.empty()) surroundings.home = surroundings.environment("HOME").value_or("");
  if (!surroundings.connect) {
    surroundings.connect = [environment = surroundings.environment, home = surroundings.home](const Flags& flags) {
      return connect_by_kubeconfig(flags, environment, home);
    };
  }
  return surroundings;
}

// Global flags may stand before the command: how many words they take.
std::size_t leading_flags(std::span<const std::string> arguments) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].size() > 1 && arguments[at][0] == '-') {
    const std::string_view word = arguments[at];
    const bool has_value = std::ranges::any_of(global_flags(), [word](const Flag& flag) {
      const bool named = (word.starts_with("--") && word.substr(2) == flag.name) ||
                         (word.size() == 2 && word[1] == flag.letter && flag.letter != 0);
      return named && !flag.value.empty();
    });
    at += has_value ? 2 : 1;
  }
  return std::min(at, arguments.size());
}

bool asks_for_help(std::span<const std::string> words) {
  const auto end = std::ranges::find(words, "--");
  return std::any_of(words.begin(), end, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

struct Choice {
  const Command* command = nullptr;
  std::size_t words = 0;  // of its name
};

Choice choose(std::span<const Command> commands, std::span<const std::string> words) {
  if (words.empty()) return {};
  if (words.size() > 1) {
    const auto two = std::ranges::find(commands, words[0] + " " + words[1], &Command::name);
    if (two != commands.end()) return {&*two, 2};
  }
  const auto one = std::ranges::find(commands, words[0], &Command::name);
  return one == commands.end() ? Choice{} : Choice{&*one, 1};
}

[[noreturn]] void throw_unknown_command(std::span<const Command> commands, std::span<const std::string> words) {
  std::vector<std::string_view> names, seconds;
  for (const Command& command : commands) {
    if (command.hidden) continue;
    const std::size_t space = command.name.find(' ');
    names.push_back(command.name.substr(0, space));
    if (space != std::string_view::npos && names.back() == words[0]) seconds.push_back(command.name.substr(space + 1));
  }
  const bool family = !seconds.empty();
  if (family && words.size() == 1) {
    std::string message = "gantry " + words[0] + " needs one of: ";
    for (std::size_t i = 0; i < seconds.size(); ++i) message.append(i ? ", " : "").append(seconds[i]);
    throw UsageError(message);
  }
  const std::string word = family ? words[1] : words[0];
  std::string message = "unknown command \"" + (family ? words[0] + " " + word : word) + "\"";
  if (const auto near = nearest(word, family ? seconds : names)) {
    message += "; did you mean \"" + (family ? words[0] + " " + *near : *near) + "\"?";
  }
  throw UsageError(message + " (gantry help lists all)");
}

int help(std::span<const Command> commands, std::span<const std::string> words, Streams& streams, const Style& style) {
  if (words.empty()) {
    print_overview(streams.out, commands, style);
    return kOk;
  }
  const Choice choice = choose(commands, words);
  if (choice.command) {
    print_help(streams.out, *choice.command, style);
    return kOk;
  }
  std::vector<Command> family;
  for (const Command& command : commands) {
    if (command.name.starts_with(words[0] + " ")) family.push_back(command);
  }
  if (family.empty()) throw_unknown_command(commands, words);
  for (const Command& command : family) streams.out << "gantry " << command.name << ": " << command.summary << "\n";
  return kOk;
}

int run_command(const Choice& choice, std::span<const Command> commands, std::vector<std::string> arguments,
                Streams& streams, const Surroundings& surroundings) {
  std::vector<Flag> flags = choice.command->flags;
  flags.insert(flags.end(), global_flags().begin(), global_flags().end());
  if (asks_for_help(arguments) && !choice.command->hidden) {
    print_help(streams.out, *choice.command, Style(streams.out_is_terminal && !surroundings.environment("NO_COLOR")));
    return kOk;
  }
  const auto layers = configuration_layers(surroundings, commands);
  Context context(*choice.command, commands, Flags::parse(arguments, std::move(flags), layers), streams, surroundings);
  try {
    return choice.command->run(context);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    streams.out.flush();
    context.print(error);
    return traits(error.code()).exit_code;
  }
}

}  // namespace

int run(std::vector<std::string> arguments, Streams streams, Surroundings given) {
  const Surroundings surroundings = completed(std::move(given));
  const std::vector<Command> commands = all_commands(surroundings.more);
  const Style style(streams.out_is_terminal && !surroundings.environment("NO_COLOR"));
  if (!arguments.empty() && arguments[0] == "--version") arguments = {"version", "--client"};
  try {
    const std::span<const std::string> all(arguments);
    const std::size_t leading = leading_flags(all);
    const auto words = all.subspan(leading);
    if (arguments.empty() || asks_for_help(all.first(leading))) return help(commands, words, streams, style);
    if (words.empty()) throw UsageError("no command was given (gantry help lists all)");
    if (words[0] == "help") return help(commands, words.subspan(1), streams, style);
    const Choice choice = choose(commands, words);
    if (!choice.command) throw_unknown_command(commands, words);

    std::vector<std::string> rest(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(leading));
    if (choice.command->hidden) rest.emplace_back("--");  // its words are somebody else's flags
    rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(choice.words), words.end());
    return run_command(choice, commands, std::move(rest), streams, surroundings);
  } catch (const Error& error) {
    streams.out.flush();
    streams.err << style.red("error:") << " " << error.message() << "\n";
    return dynamic_cast<const UsageError*>(&error) ? kUsage : traits(error.code()).exit_code;
  }
}

}  // namespace gantry::cli
