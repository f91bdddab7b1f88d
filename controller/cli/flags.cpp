#include "controller/cli/flags.hpp"

#include <charconv>

#include "controller/cli/nearest.hpp"

namespace gantry::cli {
namespace {

bool parse_switch(std::string_view name, std::string_view value) {
  if (value == "true" || value == "1" || value == "yes" || value == "on") return true;
  if (value == "false" || value == "0" || value == "no" || value == "off" || value.empty()) return false;
  throw UsageError("--" + std::string(name) + " is a switch: it is true or false, not \"" + std::string(value) + "\"");
}

std::string unknown_flag(std::string_view name, const std::vector<Flag>& known) {
  std::vector<std::string_view> names;
  for (const Flag& flag : known) names.push_back(flag.name);
  std::string message = "unknown flag: --" + std::string(name);
  if (const auto near = nearest(name, names)) message += "; did you mean --" + *near + "?";
  return message;
}

}  // namespace

Flags Flags::parse(std::span<const std::string> arguments, std::vector<Flag> known, std::span<const Layer> layers) {
  Flags flags;
  flags.known_ = std::move(known);
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string_view word = arguments[at];
    if (word == "--") {
      flags.operands_.insert(flags.operands_.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                             arguments.end());
      break;
    }
    if (word.starts_with("--")) {
      flags.take_long(word.substr(2), arguments, at);
    } else if (word.size() > 1 && word[0] == '-') {
      flags.take_short(word.substr(1), arguments, at);
    } else {
      flags.operands_.emplace_back(word);
    }
  }
  for (const Flag& flag : flags.known_) {
    if (!flag.sourced || flags.find(flag.name)) continue;
    for (const Layer& layer : layers) {
      const auto value = layer.find(flag.name);
      if (!value) continue;
      if (flag.value.empty()) parse_switch(flag.name, *value);
      flags.settings_[std::string(flag.name)] = {{*value}, layer.origin};
      break;
    }
  }
  return flags;
}

void Flags::take(const Flag& flag, std::string value) {
  if (flag.value.empty()) parse_switch(flag.name, value);
  Setting& setting = settings_[std::string(flag.name)];
  if (!flag.repeated) setting.values.clear();
  setting.values.push_back(std::move(value));
  setting.origin = "flag";
}

void Flags::take_long(std::string_view word, std::span<const std::string> arguments, std::size_t& at) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const auto flag = std::ranges::find(known_, name, &Flag::name);
  if (flag == known_.end()) throw UsageError(unknown_flag(name, known_));
  if (equals != std::string_view::npos) {
    take(*flag, std::string(word.substr(equals + 1)));
  } else if (flag->value.empty()) {
    take(*flag, "true");
  } else if (at + 1 < arguments.size()) {
    take(*flag, arguments[++at]);
  } else {
    throw UsageError("--" + std::string(name) + " needs a value: --" + std::string(name) + "=" +
                     std::string(flag->value));
  }
}

void Flags::take_short(std::string_view word, std::span<const std::string> arguments, std::size_t& at) {
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto flag = std::ranges::find(known_, word[i], &Flag::letter);
    if (flag == known_.end() || word[i] == 0) throw UsageError("unknown flag: -" + std::string(word.substr(i)));
    std::string_view rest = word.substr(i + 1);
    if (flag->value.empty()) {
      if (rest.starts_with('=')) return take(*flag, std::string(rest.substr(1)));
      take(*flag, "true");
      continue;
    }
    if (rest.starts_with('=')) rest.remove_prefix(1);
    if (!rest.empty()) return take(*flag, std::string(rest));
    if (at + 1 >= arguments.size()) {
      throw UsageError(std::string("-") + word[i] + " needs a value: --" + std::string(flag->name) + "=" +
                       std::string(flag->value));
    }
    return take(*flag, arguments[++at]);
  }
}

const Flag& Flags::flag(std::string_view name) const {
  const auto found = std::ranges::find(known_, name, &Flag::name);
  if (found == known_.end()) throw Error(ErrorCode::Internal, "the command has no flag --" + std::string(name));
  return *found;
}

const Flags::Setting* Flags::find(std::string_view name) const {
  const auto found = settings_.find(name);
  return found == settings_.end() ? nullptr : &found->second;
}

bool Flags::on(std::string_view name) const {
  const Setting* setting = find(name);
  return parse_switch(name, setting ? std::string_view(setting->values.back()) : flag(name).otherwise);
}

std::string Flags::text(std::string_view name) const {
  const Setting* setting = find(name);
  return setting ? setting->values.back() : std::string(flag(name).otherwise);
}

std::vector<std::string> Flags::all(std::string_view name) const {
  if (const Setting* setting = find(name)) return setting->values;
  const std::string_view otherwise = flag(name).otherwise;
  return otherwise.empty() ? std::vector<std::string>{} : std::vector<std::string>{std::string(otherwise)};
}

std::optional<std::int64_t> Flags::number(std::string_view name) const {
  const std::string value = text(name);
  if (value.empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (problem != std::errc() || end != value.data() + value.size()) {
    throw UsageError("--" + std::string(name) + " must be a whole number, not \"" + value + "\"");
  }
  return number;
}

std::optional<Duration> Flags::duration(std::string_view name) const {
  const std::string value = text(name);
  if (value.empty()) return std::nullopt;
  if (value == "0") return Duration::zero();
  try {
    return parse_duration(value);
  } catch (const Error&) {
    throw UsageError("--" + std::string(name) + " must be a duration such as 30s, 5m or 1h30m, not \"" + value + "\"");
  }
}

std::string Flags::choice(std::string_view name, std::initializer_list<std::string_view> words) const {
  const std::string value = text(name);
  if (std::ranges::find(words, value) != words.end()) return value;
  std::string message = "--" + std::string(name) + " must be ";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i) message += i + 1 == words.size() ? " or " : ", ";
    message += *(words.begin() + i);
  }
  throw UsageError(message + ", not \"" + value + "\"");
}

bool Flags::given(std::string_view name) const { return find(name) != nullptr; }

std::string Flags::origin(std::string_view name) const {
  const Setting* setting = find(name);
  return setting ? setting->origin : "default";
}

std::string environment_name(std::string_view flag) {
  std::string name = "GANTRY_";
  for (const char c : flag) name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

}  // namespace gantry::cli
