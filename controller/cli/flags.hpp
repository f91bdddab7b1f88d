// The command line's flags: small and strict. --name=value, --name value, -n value, -nvalue, -Aw; -- ends them.
// Every flag may also be set by GANTRY_<NAME> and by the configuration files; the command line wins.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"

namespace gantry::cli {

// The words were not understood: exit code 64. The message says what is wrong and what was perhaps meant.
class UsageError : public Error {
 public:
  explicit UsageError(std::string message) : Error(ErrorCode::BadRequest, std::move(message)) {}
};

struct Flag {
  std::string_view name;  // without dashes
  char letter = 0;
  std::string_view value;  // what stands for the value in help: "FILE"; empty: a switch
  std::string_view help;
  std::string_view otherwise;  // the value when nobody says anything
  bool repeated = false;       // may be given more than once
  bool sourced = true;         // false: the environment and the files are not asked (switches such as --all)
};

// Where values come from when the command line is silent, the strongest first.
struct Layer {
  std::string origin;  // "environment", "/etc/gantry/config.yaml"
  std::function<std::optional<std::string>(std::string_view flag)> find;
};

class Flags {
 public:
  // Throws UsageError, with the nearest match for an unknown flag.
  static Flags parse(std::span<const std::string> arguments, std::vector<Flag> known, std::span<const Layer> layers);

  bool on(std::string_view name) const;
  // The last value, or the default.
  std::string text(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  // Throw UsageError naming the flag. nullopt when the value is empty.
  std::optional<std::int64_t> number(std::string_view name) const;
  std::optional<Duration> duration(std::string_view name) const;
  // The value must be one of words.
  std::string choice(std::string_view name, std::initializer_list<std::string_view> words) const;
  // Somebody said something: the command line, the environment or a file.
  bool given(std::string_view name) const;
  // "flag", "environment", a file's path, or "default".
  std::string origin(std::string_view name) const;

  const std::vector<std::string>& operands() const { return operands_; }
  const std::vector<Flag>& known() const { return known_; }

 private:
  struct Setting {
    std::vector<std::string> values;
    std::string origin;
  };
  const Flag& flag(std::string_view name) const;
  const Setting* find(std::string_view name) const;
  void take(const Flag& flag, std::string value);
  void take_long(std::string_view word, std::span<const std::string> arguments, std::size_t& at);
  void take_short(std::string_view word, std::span<const std::string> arguments, std::size_t& at);

  std::vector<Flag> known_;
  std::map<std::string, Setting, std::less<>> settings_;
  std::vector<std::string> operands_;
};

// GANTRY_NO_COLOR for "no-color".
std::string environment_name(std::string_view flag);

}  // namespace gantry::cli
