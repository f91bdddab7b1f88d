// Logs for operators: a constant message and variable keys, one line each, to standard error. Any thread.
// The message never contains a value; values that were registered as secret are replaced by stars wherever they appear.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gantry::log {

enum class Level { Debug, Info, Warn, Error, Off };
enum class Format { Text, Json };

void configure(Level level, Format format);
// Throws Error(Invalid) naming the accepted words.
Level parse_level(std::string_view word);
Format parse_format(std::string_view word);
void flush();

// From now on value is written as "***" in every line. Values shorter than 6 characters are ignored: they would
// blacken ordinary words.
void redact(std::string_view value);
std::string redacted(std::string_view text);

struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  Field(std::string_view k, const char* v) : Field(k, std::string_view(v)) {}
  Field(std::string_view k, const std::string& v) : Field(k, std::string_view(v)) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <std::integral T>
  Field(std::string_view k, T v) : key(k), value(std::to_string(v)), quoted(false) {}
  Field(std::string_view k, double v);

  std::string_view key;
  std::string value;
  bool quoted;  // in JSON; text quotes when needed
};

class Logger {
 public:
  explicit Logger(std::string_view name) : name_(name) {}

  using Fields = std::initializer_list<Field>;
  void debug(std::string_view message, Fields fields = {}) const { write(Level::Debug, message, fields); }
  void info(std::string_view message, Fields fields = {}) const { write(Level::Info, message, fields); }
  void warn(std::string_view message, Fields fields = {}) const { write(Level::Warn, message, fields); }
  void error(std::string_view message, Fields fields = {}) const { write(Level::Error, message, fields); }

 private:
  void write(Level level, std::string_view message, Fields fields) const;
  std::string name_;
};

}  // namespace gantry::log
