// The real binary, run as a person would run it: a controller in a directory of its own on a port the system chose, and
// commands beside it. Nothing here waits longer than it must: conditions are polled up to a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::process {

struct Outcome {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out;
  std::string err;
};

// Runs a program to its end. Extra variables are added to the environment.
Outcome run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment = {},
            const std::string& input = {}, std::chrono::seconds deadline = std::chrono::seconds(60));

// True as soon as condition() is; false at the deadline.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds deadline = std::chrono::seconds(20));

// A program that goes on in the background until stop() or the destructor.
class Background {
 public:
  Background(const std::vector<std::string>& command, const std::string& output_file,
             const std::map<std::string, std::string>& environment = {});
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  int pid() const { return pid_; }
  bool alive();
  void signal(int number);
  // SIGTERM (or as told), then waits. The exit code; -1 when it did not end within the deadline (it is killed then).
  int stop(int number = 15, std::chrono::seconds deadline = std::chrono::seconds(20));

 private:
  int pid_ = -1;
  bool reaped_ = false;
  int exit_code_ = -1;
};

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write(const std::string& path, const std::string& text);
std::string read(const std::string& path);

class Controller {
 public:
  // folder holds data/ (kept over restarts) and, when asked for, manifests/.
  explicit Controller(std::vector<std::string> more_arguments = {});
  ~Controller();

  void start();
  void kill();                                             // SIGKILL
  int stop() { return process_ ? process_->stop() : -1; }  // SIGTERM; its exit code
  int pid() const { return process_->pid(); }

  std::string folder(const std::string& name) const { return folder_ / name; }
  std::string kubeconfig() const { return folder_ / "data/kubeconfig"; }
  std::string log() const;
  const std::string& address() const { return address_; }  // https://127.0.0.1:port

  Outcome kubectl(std::vector<std::string> arguments, const std::string& input = {}) const;
  Outcome gantry(std::vector<std::string> arguments, const std::string& input = {}) const;
  // GET of the API as JSON; null when it is not there.
  json::Value get(const std::string& type_and_name, const std::string& ns = "default") const;
  std::string condition(const std::string& type_and_name, const std::string& type) const;  // "True/AllReplicasReady"
  bool ready(const std::string& type_and_name) const { return condition(type_and_name, "Ready").starts_with("True"); }
  // Applies and expects it to work.
  void apply(const std::string& manifest) const;

 private:
  TemporaryFolder folder_;
  std::vector<std::string> more_;
  std::string address_;
  std::unique_ptr<Background> process_;
};

std::string gantry_binary();
bool have(const std::string& program);
// The 32 of kubectl 1.32; 0: there is none.
int kubectl_minor(const std::string& program = "kubectl");
// That nobody listened on a moment ago.
int free_port();
// GET over plain HTTP on loopback with curl; empty when there is no answer.
std::string curl(const std::string& url);

}  // namespace gantry::process
