#include "controller/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::log {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> sink;
  std::atomic<Level> level{Level::Info};
  std::atomic<Format> format{Format::Text};
  std::mutex mutex;
  std::vector<std::string> secrets;
};

State& state() {
  static State* instance = [] {
    auto* made = new State;  // never destroyed: threads may log until the very end
    made->sink = std::make_shared<spdlog::logger>("gantry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->sink->set_pattern("%v");
    made->sink->set_level(spdlog::level::trace);
    made->sink->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warn:
      return "warn";
    case Level::Error:
      return "error";
    case Level::Off:
      break;
  }
  return "off";
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return false;
}

}  // namespace

Field::Field(std::string_view k, double v) : key(k), value(json::dump(json::Value(v))), quoted(false) {}

void configure(Level level, Format format) {
  state().level = level;
  state().format = format;
}

Level parse_level(std::string_view word) {
  for (const Level level : {Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Off}) {
    if (name_of(level) == word) return level;
  }
  throw Error(ErrorCode::Invalid,
              "log level \"" + std::string(word) + "\" is not known; use debug, info, warn, error or off");
}

Format parse_format(std::string_view word) {
  if (word == "text") return Format::Text;
  if (word == "json") return Format::Json;
  throw Error(ErrorCode::Invalid, "log format \"" + std::string(word) + "\" is not known; use text or json");
}

void flush() { state().sink->flush(); }

void redact(std::string_view value) {
  if (value.size() < 6) return;
  std::lock_guard lock(state().mutex);
  auto& secrets = state().secrets;
  for (const auto& known : secrets) {
    if (known == value) return;
  }
  secrets.emplace_back(value);
}

std::string redacted(std::string_view text) {
  std::string out(text);
  std::lock_guard lock(state().mutex);
  for (const auto& secret : state().secrets) {
    for (std::size_t at = out.find(secret); at != std::string::npos; at = out.find(secret, at + 3))
      out.replace(at, secret.size(), "***");
  }
  return out;
}

void Logger::write(Level level, std::string_view message, Fields fields) const {
  auto& log = state();
  if (level < log.level.load(std::memory_order_relaxed)) return;
  std::string line;
  const std::string ts = format_micro_time(system_clock().wall());
  if (log.format.load(std::memory_order_relaxed) == Format::Json) {
    line = R"({"ts":")" + ts + R"(","level":")" + std::string(name_of(level)) + R"(","logger":)";
    json::append_quoted(line, name_);
    line += R"(,"msg":)";
    json::append_quoted(line, message);
    for (const auto& field : fields) {
      line += ',';
      json::append_quoted(line, field.key);
      line += ':';
      if (field.quoted) {
        json::append_quoted(line, redacted(field.value));
      } else {
        line += field.value;
      }
    }
    line += '}';
  } else {
    line = "ts=" + ts + " level=" + std::string(name_of(level)) + " logger=" + name_ + " msg=";
    json::append_quoted(line, message);
    for (const auto& field : fields) {
      line += ' ';
      line += field.key;
      line += '=';
      const std::string value = field.quoted ? redacted(field.value) : field.value;
      if (field.quoted && needs_quotes(value)) {
        json::append_quoted(line, value);
      } else {
        line += value;
      }
    }
  }
  log.sink->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace gantry::log
