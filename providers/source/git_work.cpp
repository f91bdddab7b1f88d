#include "providers/source/git_work.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "controller/base/error.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/git_repository.hpp"

extern char** environ;

namespace gantry::providers::source {
namespace {

using local::errno_text;
using local::Fd;

// ---- In the worker

std::string text(const json::Object& order, std::string_view name) {
  const json::Value* value = order.find(name);
  return value ? value->as_string() : std::string();
}

json::Value work(const json::Object& order) {
  GitRepository repository(text(order, "directory"));
  const GitCredentials credentials{text(order, "username"), Secret(text(order, "password")),
                                   Secret(text(order, "sshPrivateKey"))};
  const std::string call = text(order, "call");
  if (call == "fetch") {
    const Checkout done = repository.fetch(text(order, "url"), text(order, "ref"), credentials);
    return json::Object{{"commit", done.commit}, {"folder", done.folder}};
  }
  if (call == "look") {
    const GitPlace place = repository.look(text(order, "url"), text(order, "ref"), text(order, "path"), credentials);
    return json::Object{{"commit", place.commit}, {"tree", place.tree}};
  }
  if (call == "write") {
    repository.write({text(order, "commit"), text(order, "tree")}, text(order, "folder"));
    return json::Object{};
  }
  throw Error(ErrorCode::BadRequest, "git-work: unknown call \"" + call + "\"; it is for gantry itself to start");
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 16384> buffer;
  while (true) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

json::Value told(const Error& error) {
  return json::Object{{"error", json::Object{{"message", error.message()},
                                             {"reason", std::string(traits(error.code()).reason)},
                                             {"status", traits(error.code()).http_status}}}};
}

// ---- Beside it

struct Pipe {
  Fd out;
  Fd in;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ErrorCode::Unavailable, "cannot start git's worker: " + errno_text(errno));
  return {Fd(ends[0]), Fd(ends[1])};
}

pid_t start(int input, int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  char program[] = "gantry";
  char command[] = "git-work";
  char* argv[] = {program, command, nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw Error(ErrorCode::Unavailable, "cannot start git's worker: " + errno_text(error));
  return pid;
}

// Readable once the time is up.
Fd alarm_in(Duration limit) {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const std::chrono::nanoseconds rest = limit - whole;
  const itimerspec when{{0, 0}, {whole.count(), rest.count()}};
  if (!timer || ::timerfd_settime(timer.get(), 0, &when, nullptr) != 0)
    throw Error(ErrorCode::Unavailable, "cannot start git's worker: " + errno_text(errno));
  return timer;
}

// Everything it says until it closes; nothing when the time is up.
std::optional<std::string> hear(int fd, int time_is_up) {
  std::string all;
  std::array<char, 16384> buffer;
  while (true) {
    std::array<pollfd, 2> waiting{pollfd{fd, POLLIN, 0}, pollfd{time_is_up, POLLIN, 0}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents == 0) return std::nullopt;
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

int git_work_main() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read the answer
  json::Value answer;
  try {
    answer = work(json::parse(read_all(0)).as_object());
  } catch (const Error& error) {  // tidy: a main
    answer = told(error);
  } catch (const std::exception& error) {  // tidy: a main
    answer = told(Error(ErrorCode::Internal, error.what()));
  }
  local::write_all(1, json::dump(answer));
  std::fflush(nullptr);
  ::_exit(0);  // what libgit2 still holds goes with the process
}

json::Value do_git_work(const json::Value& order, Duration limit) {
  const Fd time_is_up = alarm_in(limit);
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  const pid_t pid = start(input.out.get(), output.in.get());
  input.out.reset();
  output.in.reset();
  local::write_all(input.in.get(), json::dump(order));  // a worker that died shows in its answer
  input.in.reset();
  const auto said = hear(output.out.get(), time_is_up.get());
  if (!said) ::kill(pid, SIGKILL);
  reap(pid);
  if (!said) {
    throw Error(ErrorCode::Timeout,
                "git did not end within " +
                    std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) +
                    " s and was stopped: the server does not answer, or the repository is too large for this line");
  }
  if (said->empty()) throw Error(ErrorCode::Unavailable, "git's worker died");
  json::Value answer = json::parse(*said);
  if (const json::Value* error = answer.as_object().find("error")) {
    const json::Object& fields = error->as_object();
    const int status = static_cast<int>(fields.find("status")->as_int());
    throw Error(error_code_of_http_status(status, fields.find("reason")->as_string()), text(fields, "message"));
  }
  return answer;
}

}  // namespace gantry::providers::source
