#include "tests/process/agent_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

namespace gantry::process {

Agent::Agent(std::vector<std::string> more_arguments, std::vector<std::string> within)
    : more_(std::move(more_arguments)), within_(std::move(within)) {
  if (std::find(more_.begin(), more_.end(), "--listen") == more_.end()) {
    more_.emplace_back("--listen");
    more_.emplace_back("127.0.0.1:0");
    more_.emplace_back("--tunnel-port");
    more_.emplace_back("0");
  }
}

Agent::~Agent() {
  if (process_) process_->stop();
  // Instances outlive their agent, so what a test started is ended here, by the folder it carries.
  const std::string mark = data() + "/";
  process::run({"sh", "-c",
                // This shell's own line carries the folder too.
                "for p in /proc/[0-9]*; do [ $p != /proc/$$ ] && tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q -- "
                "'supervise --dir " +
                    mark + "' && kill -TERM ${p#/proc/}; done; true"});
  eventually([&] { return process::run({"pgrep", "-f", "supervise --dir " + mark}).exit_code != 0; },
             std::chrono::seconds(15));
}

void Agent::start() {
  std::vector<std::string> command = within_;
  command.insert(command.end(), {gantry_binary(), "agent", "--data-dir", data()});
  command.insert(command.end(), more_.begin(), more_.end());
  const std::string about = data() + "/agent.json";
  // The same port again after a restart, as a real host has.
  if (!url_.empty()) {
    for (auto& word : command) {
      if (word == "127.0.0.1:0") word = "127.0.0.1:" + std::to_string(port());
    }
  }
  std::filesystem::remove(about);
  process_ = std::make_unique<Background>(command, folder_ / "log");
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(about); })) << "the agent is not ready:\n" << log();
  const json::Value told = json::parse(read(about));
  url_ = told.string_or("url");
  fingerprint_ = told.string_or("fingerprint");
}

void Agent::kill() { process_->stop(SIGKILL); }

void Agent::follow_port() {
  const std::string about = read(data() + "/agent.json");
  if (!about.empty()) url_ = json::parse(about).string_or("url", url_);
}

void Agent::signal(int number) const {
  ::kill(static_cast<pid_t>(json::parse(read(data() + "/agent.json")).int_or("pid", 0)), number);
}

int Agent::port() const { return std::atoi(url_.substr(url_.rfind(':') + 1).c_str()); }

std::string Agent::key() const {
  const std::string text = read(data() + "/agent.key");
  return text.substr(0, text.find_first_of(" \n"));
}

Agent::Answer Agent::call(const std::string& method, const std::string& path, const std::string& body,
                          std::optional<std::string> key_used, std::vector<std::string> more) const {
  std::vector<std::string> command{"curl", "-sk", "--max-time", "30", "-X", method, "-w", "\n%{http_code}"};
  const std::string with = key_used ? *key_used : key();
  if (!with.empty()) command.insert(command.end(), {"-H", "X-API-Key: " + with});
  if (!body.empty()) command.insert(command.end(), {"--data-binary", "@-"});
  command.insert(command.end(), more.begin(), more.end());
  command.push_back(url_ + path);
  const std::string out = process::run(command, {}, body).out;
  Answer answer;
  const auto line = out.rfind('\n');
  answer.status = line == std::string::npos ? 0 : std::atoi(out.c_str() + line + 1);
  answer.body = out.substr(0, line == std::string::npos ? 0 : line);
  if (!answer.body.starts_with('{')) return answer;
  const json::Value envelope = json::parse(answer.body);
  answer.success = envelope.bool_or("success", false);
  answer.error = envelope.string_or("error");
  if (const json::Value* data_of = envelope.find("data")) answer.data = *data_of;
  return answer;
}

Agent::Answer Agent::run(const std::string& id, const std::string& script) const {
  return call("POST", "/containers/run",
              json::dump(json::Object{{"id", id}, {"command", json::Array{"sh", "-c", script}}}));
}

std::string Agent::state(const std::string& id) const {
  const json::Value data_of = instance(id);
  const json::Value* it = data_of.find("instance");
  return it ? it->string_or("state") : "";
}

int Agent::pid(const std::string& id) const {
  const json::Value data_of = instance(id);
  const json::Value* it = data_of.find("instance");
  return it ? static_cast<int>(it->int_or("pid", 0)) : 0;
}

}  // namespace gantry::process
