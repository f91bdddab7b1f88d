// A real dockerd of the test's own, with an image that is nothing but busybox.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <csignal>

#include "providers/local/docker_engine.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/posix.hpp"
#include "tests/providers/machine.hpp"

extern char** environ;

namespace gantry::providers::local {

inline constexpr const char* kImage = "gantry-test/busybox:1";

class Daemon {
 public:
  Daemon() = default;
  // Everything that Docker keeps lies in a file system of this size in memory.
  explicit Daemon(std::string size) : size_(std::move(size)) {}
  // Empty when it runs; else why it does not.
  std::string start() {
    if (::geteuid() != 0) return "only root can start dockerd";
    if (::system("command -v dockerd >/dev/null 2>&1") != 0) return "dockerd is not installed (Debian: docker.io)";
    if (::access("/bin/busybox", X_OK) != 0 && ::access("/usr/bin/busybox", X_OK) != 0)
      return "busybox is not installed (Debian: busybox-static)";
    if (!size_.empty() && !mounted_) {
      std::filesystem::create_directory(dir_ / "root");
      mounted_ = ::mount("tmpfs", (dir_ / "root").c_str(), "tmpfs", 0, ("size=" + size_).c_str()) == 0;
      if (!mounted_) return "a file system in memory cannot be mounted here";
    }
    const Fd log(::open((dir_ / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, log.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, log.get(), 2);
    std::vector<std::string> words = {"dockerd", "--data-root",        dir_ / "root", "--exec-root", dir_ / "exec",
                                      "-H",      "unix://" + socket(), "--pidfile",   dir_ / "pid"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int error = ::posix_spawnp(&pid_, "dockerd", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return "dockerd cannot be started: " + errno_text(error);
    DockerEngine engine(machine_.reactor, socket());
    std::string answer;
    const bool up = machine_.until(
        [&] {
          if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
          answer = machine_.error_of(engine.call("asking", "GET", "/info"));
          return pid_ == 0 || answer == "(no error)";
        },
        std::chrono::seconds(60));
    if (!up || pid_ == 0) return "dockerd does not come up here (" + answer + "); the end of its log:\n" + tail();
    try {
      return import_image(engine);
    } catch (const Error& error) {  // in a chroot, say, whose root is no mount point
      return "dockerd runs here, but cannot unpack an image: " + error.message();
    }
  }

  ~Daemon() {
    stop();
    if (mounted_) ::umount2((dir_ / "root").c_str(), MNT_DETACH);
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::string socket() const { return dir_ / "docker.sock"; }
  bool running() const { return pid_ > 0; }

 private:
  std::string import_image(DockerEngine& engine) {
    const std::string make = "set -e; cd " + dir_.path() +
                             "; mkdir -p image/bin image/tmp; cp $(command -v busybox) image/bin/busybox; "
                             "ln -sf busybox image/bin/sh; tar -C image -cf image.tar .";
    if (::system(make.c_str()) != 0) return "the test image cannot be made";
    const std::string answer =
        machine_.await(engine.text("importing", "POST", "/images/create?fromSrc=-&repo=gantry-test/busybox&tag=1",
                                   std::chrono::minutes(1), "application/x-tar", dir_.read("image.tar")));
    return pull_error(answer);
  }
  std::string tail() const {
    const std::string all = dir_.read("log");
    return all.substr(all.size() > 2000 ? all.size() - 2000 : 0);
  }

  Folder dir_;
  Machine machine_;
  pid_t pid_ = 0;
  std::string size_;
  bool mounted_ = false;
};

}  // namespace gantry::providers::local
