#include "providers/local/supervise.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/resident_memory.hpp"
#include "providers/local/instance_files.hpp"
#include "providers/local/log_writer.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/processes.hpp"

namespace gantry::providers::local {
namespace {

constexpr int kPartialLineMillis = 500;  // a prompt without a newline is shown after this
constexpr int kKillAgainMillis = 100;    // what forked while it was being killed is caught in the next round
constexpr Duration kReapLimit = std::chrono::seconds(5);
constexpr std::size_t kPipePiece = 64 << 10;

enum Exit { kEnded = 0, kUsage = 64, kFolder = 74, kTwin = 75, kRanBefore = 76 };

// Where between fork and exec a start failed. Written through a close-on-exec pipe, so that its end means success.
struct Failure {
  enum Stage : int { Group, Folder, Output, Exec };
  Stage stage;
  int error;
};

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "signal " + std::to_string(signal) + (name ? " (SIG" + std::string(name) + ")" : "");
}

class Supervisor {
 public:
  explicit Supervisor(std::string folder) : folder_(std::move(folder)), clock_(system_clock()) {}
  int run();

 private:
  bool read_launch();
  void start();
  [[noreturn]] void become_the_command(int out, int err, int failure);
  void watch();
  void ask_to_end();
  void kill_everything();
  void reap();
  bool drain(int which);
  void finish();
  bool record();

  std::string folder_;
  Clock& clock_;
  Launch launch_;
  State state_;
  std::unique_ptr<LogWriter> log_;
  Fd signals_;
  Fd pipes_[2];  // the read ends of stdout and stderr
  bool main_alive_ = false;
  bool any_alive_ = false;
  bool asked_ = false;
  bool killed_ = false;
  int status_ = 0;
  std::optional<Instant> kill_at_;
  std::optional<Instant> give_up_at_;
};

bool Supervisor::record() { return replace_file(folder_ + "/state.json", encode(state_), 0600) == 0; }

int Supervisor::run() {
  if (!take_lock(folder_)) return kTwin;
  if (files::exists(folder_ + "/state.json")) return kRanBefore;
  const sigset_t handled = handled_signals();
  ::sigprocmask(SIG_SETMASK, &handled, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);

  state_.boot_id = boot_id();
  state_.supervisor = identify(::getpid());
  state_.started = clock_.wall();
  if (!read_launch() || !record()) return kFolder;
  log_ = std::make_unique<LogWriter>(folder_, launch_.log_bytes_max, clock_);

  start();
  // The command has its environment now; nobody needs the secrets on disk any more.
  ::unlink((folder_ + "/launch").c_str());
  launch_.env.clear();
  if (state_.phase == State::Phase::Running) {
    release_clean_pages();  // one supervisor for each process: what they hold is paid for by each App
    watch();
  }
  finish();
  return record() ? kEnded : kFolder;
}

bool Supervisor::read_launch() {
  const auto text = read_small(folder_ + "/launch", 64 << 20);
  if (!text) return false;
  try {
    launch_ = decode_launch(*text);
  } catch (const Error&) {
    return false;
  }
  return true;
}

void Supervisor::start() {
  int out[2], err[2], failure[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0 || ::pipe2(failure, O_CLOEXEC) != 0) {
    state_.never_ran = true;
    state_.reason = "cannot make a pipe: " + errno_text(errno);
    return;
  }
  const pid_t child = ::fork();
  if (child == 0) become_the_command(out[1], err[1], failure[1]);
  const int fork_error = errno;
  for (const int end : {out[1], err[1], failure[1]}) ::close(end);
  pipes_[0] = Fd(out[0]);
  pipes_[1] = Fd(err[0]);
  const Fd outcome(failure[0]);
  if (child < 0) {
    state_.never_ran = true;
    state_.reason = "cannot start a process: " + errno_text(fork_error);
    return;
  }
  Failure failed{};
  ssize_t got = 0;
  do got = ::read(outcome.get(), &failed, sizeof failed);
  while (got < 0 && errno == EINTR);
  if (got == sizeof failed) {
    ::waitpid(child, nullptr, 0);
    state_.never_ran = true;
    const std::string why = errno_text(failed.error);
    switch (failed.stage) {
      case Failure::Group:
        state_.reason = "cannot enter the control group: " + why;
        break;
      case Failure::Folder:
        state_.reason = "cannot enter the working directory " + launch_.working_directory + ": " + why;
        break;
      case Failure::Output:
        state_.reason = "cannot connect standard output: " + why;
        break;
      case Failure::Exec:
        state_.reason = "cannot execute " + launch_.program + ": " + why;
        break;
    }
    if (failed.stage == Failure::Exec && failed.error == ENOEXEC)
      state_.reason += " (a script needs a first line such as #!/bin/sh)";
    return;
  }
  main_alive_ = any_alive_ = true;
  state_.phase = State::Phase::Running;
  state_.process = identify(child);
  state_.started = clock_.wall();
  record();
  for (const auto& pipe : pipes_) ::fcntl(pipe.get(), F_SETFL, O_NONBLOCK);
}

void Supervisor::become_the_command(int out, int err, int failure) {
  const auto fail = [failure](Failure::Stage stage, int error) {
    const Failure failed{stage, error};
    (void)!::write(failure, &failed, sizeof failed);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  // Without its supervisor nobody reads the command's output or knows its end; it is not left behind alone.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (const int error = enter(launch_.cgroup)) fail(Failure::Group, error);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) fail(Failure::Output, errno);
  if (::chdir(launch_.working_directory.c_str()) != 0) fail(Failure::Folder, errno);

  std::vector<char*> argv, env;
  for (auto& text : launch_.argv) argv.push_back(text.data());
  for (auto& text : launch_.env) env.push_back(text.data());
  argv.push_back(nullptr);
  env.push_back(nullptr);
  ::umask(022);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(launch_.program.c_str(), argv.data(), env.data());
  fail(Failure::Exec, errno);
  ::_exit(127);
}

void Supervisor::watch() {
  while (any_alive_ || pipes_[0] || pipes_[1]) {
    const Instant now = clock_.now();
    if (give_up_at_ && now >= *give_up_at_) return;  // something is stuck in the kernel
    if (killed_ || (kill_at_ && now >= *kill_at_)) kill_everything();
    int wait = -1;
    if (kill_at_) wait = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - now).count());
    if (killed_) wait = kKillAgainMillis;
    if (log_->has_partial() && (wait < 0 || wait > kPartialLineMillis)) wait = kPartialLineMillis;

    pollfd ready[] = {{signals_.get(), POLLIN, 0}, {pipes_[0].get(), POLLIN, 0}, {pipes_[1].get(), POLLIN, 0}};
    const int count = ::poll(ready, 3, wait);
    if (count < 0 && errno != EINTR) return;
    if (count == 0 && log_->has_partial()) log_->flush(false);
    for (const int which : {0, 1}) {
      if (ready[which + 1].revents != 0 && !drain(which)) pipes_[which].reset();
    }
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo != SIGCHLD) ask_to_end();
    }
    reap();
    // As with a container: when the first process is gone, so is the instance.
    if (!main_alive_ && any_alive_ && !killed_) kill_everything();
    if (!any_alive_) {
      for (const int which : {0, 1}) {
        while (pipes_[which] && drain(which)) {
        }
        pipes_[which].reset();
      }
    }
  }
}

// One piece at a time, so that a program that floods its output cannot keep the loop from a signal. False when there
// is nothing (more) to read.
bool Supervisor::drain(int which) {
  static char piece[kPipePiece];
  const auto got = ::read(pipes_[which].get(), piece, sizeof piece);
  if (got > 0)
    log_->write(which == 0 ? LogWriter::Stream::Out : LogWriter::Stream::Err, {piece, static_cast<std::size_t>(got)});
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return any_alive_;
  return got > 0;
}

void Supervisor::ask_to_end() {
  if (std::exchange(asked_, true)) return;
  kill_at_ = clock_.now() + launch_.stop_grace;
  ::kill(-state_.process.pid, SIGTERM);
  state_.stopping = true;
  record();
}

void Supervisor::kill_everything() {
  killed_ = true;
  if (!give_up_at_) give_up_at_ = clock_.now() + kReapLimit;
  ::kill(-state_.process.pid, SIGKILL);
  if (kill_all(launch_.cgroup)) return;
  // Those that left the group became children of this process when their parents went.
  for (const pid_t pid : processes_of_instance(folder_)) ::kill(pid, SIGKILL);
}

void Supervisor::reap() {
  while (true) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0) any_alive_ = errno != ECHILD;
    if (pid <= 0) return;
    if (pid != state_.process.pid) continue;
    main_alive_ = false;
    status_ = status;
  }
}

void Supervisor::finish() {
  log_->flush(true);
  const bool starved = out_of_memory(launch_.cgroup);
  remove(launch_.cgroup);
  state_.finished = clock_.wall();
  if (state_.phase == State::Phase::Running) {
    if (WIFSIGNALED(status_)) {
      const int signal = WTERMSIG(status_);
      state_.exit_code = 128 + signal;
      state_.reason = starved && signal == SIGKILL ? "out of memory" : "killed by " + signal_text(signal);
      if (killed_ && asked_ && signal == SIGKILL) state_.reason += " after its grace period";
    } else {
      state_.exit_code = WEXITSTATUS(status_);
      state_.reason = "exited with code " + std::to_string(state_.exit_code);
      if (starved && state_.exit_code != 0) state_.reason += "; the kernel killed a process of it for want of memory";
    }
  } else {
    state_.exit_code = 127;
  }
  state_.phase = State::Phase::Exited;
}

}  // namespace

int supervise_main(int argc, char** argv) {
  std::string folder;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--dir") folder = argv[i + 1];
  }
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (folder.empty() || !folder.starts_with('/')) {
    std::fprintf(
        stderr, "usage: gantry supervise --dir /absolute/path/of/an/instance\nThe controller starts this by itself.\n");
    return kUsage;
  }
  ::close_range(3, ~0U, 0);
  ::setsid();
  (void)!::chdir("/");
  ::prctl(PR_SET_NAME, "gantry-super");
  return Supervisor(std::move(folder)).run();
}

}  // namespace gantry::providers::local
