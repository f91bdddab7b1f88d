// A real `gantry agent` in a folder of its own, and curl beside it: the agent as a person at a shell meets it.
#pragma once

#include <optional>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {

class Agent {
 public:
  // `within`: what it is started by, such as another network.
  explicit Agent(std::vector<std::string> more_arguments = {}, std::vector<std::string> within = {});
  // Ends the agent and what it runs.
  ~Agent();

  void start();
  void kill();                                             // SIGKILL, and gone
  int stop() { return process_ ? process_->stop() : -1; }  // SIGTERM; its exit code
  // SIGSTOP and SIGCONT to the one that serves.
  void signal(int number) const;
  std::string log() const { return read(folder_ / "log"); }
  std::string data() const { return folder_ / "data"; }
  const std::string& url() const { return url_; }
  int port() const;
  // After an upgrade it serves on another port, when any would do.
  void follow_port();
  std::string key() const;
  std::string fingerprint() const { return fingerprint_; }

  struct Answer {
    int status = 0;  // 0: none
    std::string body;
    json::Value data;
    bool success = false;
    std::string error;
  };
  // curl -X METHOD URL/path with the key, or with another (empty: without any).
  Answer call(const std::string& method, const std::string& path, const std::string& body = {},
              std::optional<std::string> key = {}, std::vector<std::string> more = {}) const;
  Answer get(const std::string& path) const { return call("GET", path); }
  Answer run(const std::string& id, const std::string& script) const;
  json::Value instance(const std::string& id) const { return get("/containers/" + id).data; }
  std::string state(const std::string& id) const;
  int pid(const std::string& id) const;

 private:
  TemporaryFolder folder_;
  std::vector<std::string> more_;
  std::vector<std::string> within_;
  std::string url_;
  std::string fingerprint_;
  std::unique_ptr<Background> process_;
};

}  // namespace gantry::process
