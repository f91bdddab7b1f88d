#include "tests/process/gantry_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace gantry::process {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (char** at = environ; *at; ++at) {
    const std::string line = *at;
    if (!more.contains(line.substr(0, line.find('=')))) all.push_back(line);
  }
  for (const auto& [name, value] : more) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

pid_t spawn(std::vector<std::string> command, std::vector<std::string> environment, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  pid_t pid = -1;
  auto argv = pointers(command);
  auto envp = pointers(environment);
  const int failure = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  return failure == 0 ? pid : -1;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Outcome run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
            const std::string& input, std::chrono::seconds deadline) {
  int in[2];
  int out[2];
  int err[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) return {};
  const pid_t pid = spawn(command, environment_with(environment), in[0], out[1], err[1]);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  Outcome outcome;
  if (pid < 0) {
    outcome.err = "cannot start " + command[0];
    outcome.exit_code = 127;
    return outcome;
  }
  std::thread writer([&] {
    std::size_t written = 0;
    while (written < input.size()) {
      const auto n = ::write(in[1], input.data() + written, input.size() - written);
      if (n <= 0) break;
      written += static_cast<std::size_t>(n);
    }
    close(in[1]);
  });
  const auto until = Clock::now() + deadline;
  pollfd waits[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  for (int open = 2; open > 0;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) {
      ::kill(pid, SIGKILL);
      outcome.err += "\n(killed: not done within its deadline)";
      break;
    }
    if (poll(waits, 2, static_cast<int>(left)) <= 0) continue;
    for (auto& wait : waits) {
      if (wait.fd < 0 || wait.revents == 0) continue;
      char buffer[65536];
      const auto n = ::read(wait.fd, buffer, sizeof buffer);
      if (n <= 0) {
        wait.fd = -1;
        --open;
      } else {
        (&wait == &waits[0] ? outcome.out : outcome.err).append(buffer, static_cast<std::size_t>(n));
      }
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  outcome.exit_code = code_of(status);
  writer.join();
  close(out[0]);
  close(err[0]);
  return outcome;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  while (Clock::now() < until) {
    if (condition()) return true;
    poll(nullptr, 0, 10);
  }
  return condition();
}

Background::Background(const std::vector<std::string>& command, const std::string& output_file,
                       const std::map<std::string, std::string>& environment) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn(command, environment_with(environment), null, out, out);
  close(null);
  close(out);
}

Background::~Background() { stop(SIGKILL); }

bool Background::alive() {
  if (pid_ < 0 || reaped_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  reaped_ = true;
  exit_code_ = code_of(status);
  return false;
}

void Background::signal(int number) {
  if (alive()) ::kill(pid_, number);
}

int Background::stop(int number, std::chrono::seconds deadline) {
  if (!alive()) return exit_code_;
  ::kill(pid_, number);
  if (eventually([&] { return !alive(); }, deadline)) return exit_code_;
  ::kill(pid_, SIGKILL);
  eventually([&] { return !alive(); });
  return -1;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = std::filesystem::temp_directory_path() / "gantry-test-XXXXXX";
  path_ = mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  // As an editor saves: beside, then renamed.
  std::ofstream(path + ".tmp") << text;
  std::filesystem::rename(path + ".tmp", path);
}

std::string read(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::string gantry_binary() { return GANTRY_BINARY_DIR "/gantry"; }

bool have(const std::string& program) { return run({"sh", "-c", "command -v " + program}).exit_code == 0; }

int kubectl_minor(const std::string& program) {
  const Outcome outcome = run({program, "version", "--client", "-o", "json"}, {{"HOME", "/nonexistent"}});
  if (outcome.exit_code != 0) return 0;
  const json::Value answer = json::parse(outcome.out);
  const json::Value* minor = answer.at({"clientVersion", "minor"});
  return minor ? std::atoi(minor->as_string().c_str()) : 0;  // "18+" is one too
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string curl(const std::string& url) { return run({"curl", "-fsS", "--max-time", "5", url}).out; }

Controller::Controller(std::vector<std::string> more_arguments) : more_(std::move(more_arguments)) {
  std::filesystem::create_directories(folder("manifests"));
}

Controller::~Controller() {
  // Apps outlive their controller, so what a test started is ended here, by the identity it carries.
  if (process_ && process_->alive()) process_->stop();
  const std::string mark = folder("data");
  run({"sh", "-c",
       "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q -- 'supervise --dir " + mark +
           "' && kill -TERM ${p#/proc/}; done; true"});
  eventually([&] { return run({"pgrep", "-f", "supervise --dir " + mark}).exit_code != 0; }, std::chrono::seconds(15));
}

void Controller::start() {
  std::vector<std::string> command{gantry_binary(), "controller", "--data-dir", folder("data")};
  if (std::ranges::find(more_, "--listen") == more_.end()) command.insert(command.end(), {"--listen", "127.0.0.1:0"});
  command.insert(command.end(), more_.begin(), more_.end());
  std::filesystem::remove(kubeconfig());
  process_ = std::make_unique<Background>(command, folder("log"));
  const auto answers = [&] {
    if (!std::filesystem::exists(kubeconfig())) return false;
    const std::string text = read(kubeconfig());
    const auto at = text.find("https://");
    address_ = at == std::string::npos ? std::string() : text.substr(at, text.find_first_of("\n\"", at) - at);
    return run({"curl", "-fsSk", "--max-time", "2", address_ + "/readyz"}).out == "ok";
  };
  ASSERT_TRUE(eventually(answers)) << "the controller is not ready; its log:\n" << log();
}

void Controller::kill() { process_->stop(SIGKILL); }

std::string Controller::log() const { return read(folder("log")); }

Outcome Controller::kubectl(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), "kubectl");
  return run(arguments, {{"KUBECONFIG", kubeconfig()}, {"HOME", folder("home")}}, input);
}

Outcome Controller::gantry(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), gantry_binary());
  return run(arguments, {{"KUBECONFIG", kubeconfig()}, {"HOME", folder("home")}, {"NO_COLOR", "1"}}, input);
}

json::Value Controller::get(const std::string& type_and_name, const std::string& ns) const {
  const auto outcome = gantry({"get", type_and_name, "-n", ns, "-o", "json"});
  return outcome.exit_code == 0 ? json::parse(outcome.out) : json::Value();
}

std::string Controller::condition(const std::string& type_and_name, const std::string& type) const {
  const json::Value object = get(type_and_name);
  const json::Value* conditions = object.at({"status", "conditions"});
  if (!conditions) return {};
  const std::int64_t generation = object.find("metadata")->int_or("generation", 0);
  for (const auto& one : conditions->as_array()) {
    if (one.string_or("type") == type && one.int_or("observedGeneration", 0) == generation)
      return one.string_or("status") + "/" + one.string_or("reason");
  }
  return {};
}

void Controller::apply(const std::string& manifest) const {
  const auto outcome = gantry({"apply", "-f", "-"}, manifest);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

}  // namespace gantry::process
