#include "providers/local/sleep_inhibitor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "controller/base/error.hpp"

extern char** environ;

namespace gantry::providers::local {
namespace {

constexpr std::string_view kTaken = "taken\n";

// Its output until it says that the lock is taken, it ends, or the time is over.
std::string words_of(int output, Instant limit) {
  std::string said;
  while (!said.ends_with(kTaken)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - system_clock().now()).count();
    pollfd ready{output, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) == 0) break;
    char piece[512];
    const auto got = ::read(output, piece, sizeof piece);
    if (got == 0 || (got < 0 && errno != EINTR)) break;
    if (got > 0) said.append(piece, static_cast<std::size_t>(got));
  }
  return said;
}

}  // namespace

void SleepInhibitor::hold(const std::string& why) {
  if (held()) return;
  std::string problem = "there is no " + programs_.front() + " here, so nothing that could be asked for it";
  for (const auto& program : programs_) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0) throw Error(ErrorCode::Unavailable, "a pipe cannot be made: " + errno_text(errno));
    Fd theirs(in[0]);
    lifeline_ = Fd(in[1]);
    if (::pipe2(out, O_CLOEXEC) != 0)
      throw Error(ErrorCode::Unavailable, "a pipe cannot be made: " + errno_text(errno));
    const Fd output(out[0]);
    Fd their_output(out[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, their_output.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, their_output.get(), 2);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    // What runs below it runs only once the lock is taken, and until we close our end of its input.
    std::vector<std::string> words{
        program, "--what=sleep:idle:handle-lid-switch", "--who=gantry", "--why=" + why, "--mode=block", "sh",
        "-c",    "echo taken; exec cat >/dev/null"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int error = ::posix_spawnp(&holder_, program.c_str(), &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    theirs.reset();
    their_output.reset();
    if (error != 0) {
      holder_ = 0;
      if (error != ENOENT) problem = program + " cannot be started: " + errno_text(error);
      continue;
    }
    std::string said = words_of(output.get(), system_clock().now() + limit_);
    if (said.ends_with(kTaken)) return;
    release();
    while (!said.empty() && said.back() == '\n') said.pop_back();
    problem = program + ": " + (said.empty() ? "it does not answer" : said);
  }
  lifeline_.reset();
  throw Error(ErrorCode::Unavailable, problem);
}

bool SleepInhibitor::held() {
  if (holder_ > 0 && ::waitpid(holder_, nullptr, WNOHANG) != 0) {
    holder_ = 0;
    lifeline_.reset();
  }
  return holder_ > 0;
}

void SleepInhibitor::release() {
  lifeline_.reset();
  if (holder_ <= 0) return;
  ::kill(holder_, SIGTERM);
  const Instant limit = system_clock().now() + limit_;
  while (::waitpid(holder_, nullptr, WNOHANG) == 0) {
    if (system_clock().now() > limit) ::kill(holder_, SIGKILL);
    const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
    ::nanosleep(&pause, nullptr);
  }
  holder_ = 0;
}

}  // namespace gantry::providers::local
