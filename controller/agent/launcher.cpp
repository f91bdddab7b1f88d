#include "controller/agent/launcher.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/json.hpp"
#include "controller/base/log.hpp"
#include "providers/local/posix.hpp"

extern char** environ;

namespace gantry::agent {
namespace {

using providers::local::Fd;

const log::Logger kLog("launcher");
constexpr const char* kVariable = "GANTRY_AGENT_WORKER";  // the launcher's pid, and the descriptor that says "ready"
constexpr int kReadyFd = 3;

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, number);
  return set;
}

class Launcher {
 public:
  explicit Launcher(const LauncherOptions& options)
      : options_(options), bin_(files::join(options.data_dir, "bin")), set_(watched()) {
    sigprocmask(SIG_BLOCK, &set_, nullptr);
  }

  int run() {
    std::string binary = current();
    std::string before;  // while `binary` is only tried
    while (true) {
      start(binary);
      if (!before.empty()) {
        const std::string problem = try_out();
        record(binary, problem);
        if (!problem.empty() && !asked_to_end_) {
          kLog.error("an upgrade failed; the agent before it runs again", {{"binary", binary}, {"problem", problem}});
          binary = std::exchange(before, "");
          continue;
        }
        if (problem.empty()) kLog.info("upgraded", {{"binary", binary}});
        before.clear();
      }
      const int code = wait_for_end();
      if (asked_to_end_ || code != kUpgradeExit) return code;
      const auto next = files::read_file_if_exists(files::join(bin_, "next"), 4096);
      files::remove_file(files::join(bin_, "next"));
      if (!next) continue;
      before = std::exchange(binary, files::join(bin_, *next));
    }
  }

 private:
  std::string current() const {
    const auto name = files::read_file_if_exists(files::join(bin_, "current"), 4096);
    if (name && files::exists(files::join(bin_, *name))) return files::join(bin_, *name);
    return std::filesystem::read_symlink("/proc/self/exe").string();
  }

  void start(const std::string& binary) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(ErrorCode::Unavailable, "cannot make a pipe");
    ready_ = Fd(ends[0]);
    const Fd theirs(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), kReadyFd);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::vector<std::string> words = options_.arguments;
    words.insert(words.begin(), binary);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::setenv(kVariable, std::to_string(::getpid()).c_str(), 1);
    const int error = ::posix_spawn(&worker_, binary.c_str(), &actions, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ended_ = error != 0;
    code_ = error == 0 ? 0 : 127;
    if (error != 0) kLog.error("the agent cannot be started", {{"binary", binary}, {"error", std::strerror(error)}});
  }

  // Takes signals until the deadline: forwards those that ask for the end, notes the worker's end.
  void take_signals(Instant deadline) {
    const Duration left = std::max<Duration>(deadline - system_clock().now(), Duration::zero());
    const timespec wait{.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
    const int number = ::sigtimedwait(&set_, nullptr, &wait);
    if (number == SIGTERM || number == SIGINT) {
      asked_to_end_ = true;
      if (!ended_) ::kill(worker_, number);
    }
    int status = 0;
    if (!ended_ && ::waitpid(worker_, &status, WNOHANG) == worker_) {
      ended_ = true;
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }

  int wait_for_end() {
    while (!ended_) take_signals(system_clock().now() + std::chrono::hours(1));
    return code_;
  }

  bool is_ready() {
    char byte = 0;
    return ::read(ready_.get(), &byte, 1) == 1;
  }

  // Empty when the worker serves and goes on doing so.
  std::string try_out() {
    constexpr Duration kLook = std::chrono::milliseconds(20);
    const Instant limit = system_clock().now() + options_.ready_limit;
    bool ready = false;
    while (!ended_ && !asked_to_end_ && !ready && system_clock().now() < limit) {
      take_signals(system_clock().now() + kLook);
      ready = is_ready();
    }
    const Instant proven = system_clock().now() + options_.probation;
    while (ready && !ended_ && !asked_to_end_ && system_clock().now() < proven) take_signals(proven);
    if (ended_)
      return "it ended with code " + std::to_string(code_) + (ready ? ", just after it had begun to serve" : "");
    if (asked_to_end_) return "the agent was asked to end while it was tried";
    if (ready) return {};
    ::kill(worker_, SIGKILL);
    wait_for_end();
    return "it did not serve in time";
  }

  void record(const std::string& binary, const std::string& problem) const {
    const std::string name = std::filesystem::path(binary).filename().string();
    if (problem.empty()) files::write_file_atomically(files::join(bin_, "current"), name, 0600);
    files::write_file_atomically(files::join(bin_, "outcome.json"),
                                 json::dump(json::Object{{"digest", "sha256:" + name},
                                                         {"success", problem.empty()},
                                                         {"problem", problem},
                                                         {"time", format_time(system_clock().wall())}}),
                                 0600);
  }

  const LauncherOptions& options_;
  std::string bin_;
  sigset_t set_;
  Fd ready_;
  pid_t worker_ = 0;
  bool ended_ = false;
  int code_ = 0;
  bool asked_to_end_ = false;
};

}  // namespace

int launch(const LauncherOptions& options) { return Launcher(options).run(); }

bool is_worker() {
  const char* launcher = std::getenv(kVariable);
  if (!launcher) return false;
  const int expected = std::atoi(launcher);
  ::unsetenv(kVariable);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have ended before we asked to be told.
  if (::getppid() != expected) std::_Exit(1);
  ::fcntl(kReadyFd, F_SETFD, FD_CLOEXEC);
  return true;
}

void tell_launcher_ready() {
  const char byte = 1;
  [[maybe_unused]] const auto written = ::write(kReadyFd, &byte, 1);
  ::close(kReadyFd);
}

}  // namespace gantry::agent
