// A server that answers what the test has written down, and remembers what it was asked; and a command line around it.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "controller/cli/cli.hpp"

namespace gantry::cli {

class ManualTime final : public Clock {
 public:
  Instant now() const override { return Instant(passed_); }
  WallTime wall() const override { return parse_time("2026-11-21T10:00:00Z") + passed_; }
  TimerId call_at(Reactor&, Instant, std::move_only_function<void()>) override { return 0; }
  void cancel(TimerId) override {}
  void advance(Duration by) { passed_ += by; }

 private:
  Duration passed_{};
};

// What the test scripts, shared with the Server that the command makes for itself.
struct Script {
  // Answers to "GET /path?query", used one after the other; the last one stays.
  std::map<std::string, std::vector<Response>> answers;
  // Lines of streams by path; each time the stream is opened the next list.
  std::map<std::string, std::vector<std::vector<std::string>>> streams;
  std::vector<Request> asked;
  ManualTime clock;

  void on(const std::string& request, std::string body, int status = 200, std::vector<std::string> warnings = {});
  void on_stream(const std::string& request, std::vector<std::string> lines) {
    streams[request].push_back(std::move(lines));
  }
  // "GET /apis/...", one a line, without discovery.
  std::string requests() const;
  const Request& request(const std::string& method, const std::string& path_part) const;
};

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

class CommandLine : public Script {
 public:
  CommandLine();
  // Words as a shell would split them at spaces; use the other form for words with spaces in them.
  Outcome run(const std::string& line, const std::string& input = {});
  Outcome run(std::vector<std::string> words, const std::string& input = {});

  std::map<std::string, std::string> environment;
  std::vector<Command> more;
  bool terminal = false;
  bool configuration_files = false;  // the real ones of this machine are no business of a test
  std::string home;                  // empty: no discovery cache
};

// {"kind":"Status",...}
std::string status(int code, const std::string& reason, const std::string& message, const std::string& details = "{}");
// An App of namespace default.
std::string app(const std::string& name, const std::string& revision, const std::string& more = "");

// A file that is there during one test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string write(const std::string& name, const std::string& text) const;
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace gantry::cli
