// Edges from the kernel, on a reactor: a folder changed, a process ended. Hints to look, no more.
// On the reactor's thread throughout; a callback may destroy the watch it came from.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "controller/base/reactor.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {

using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

// One inotify instance for many folders (a user has 128 of them), with any number of listeners for each.
class FolderWatch {
 public:
  // The name within the folder; empty when events were lost or the folder itself went: look at everything.
  using OnEvent = std::function<void(std::string_view name)>;
  using Token = std::uint64_t;

  explicit FolderWatch(Reactor& reactor);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  // Files that appear by a rename, and with `writes` also what is appended to files. Throws Error when the kernel will
  // not.
  Token add(const std::string& folder, bool writes, OnEvent callback);
  void remove(Token token);

 private:
  struct Listener {
    std::string folder;
    bool writes = false;
    OnEvent callback;
  };
  struct Watched {
    int descriptor = -1;
    std::vector<Token> listeners;
  };

  void wait();
  void read();
  void tell(int descriptor, std::string_view name);
  void apply_mask(const std::string& folder);

  struct Alive {};
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
  Descriptor inotify_;
  Token last_ = 0;
  std::map<Token, Listener> listeners_;
  std::map<std::string, Watched> folders_;
  std::unordered_map<int, std::string> by_descriptor_;
};

// Calls back once, when the process behind a pidfd has ended; reaps it when it is our child.
class ExitWatch {
 public:
  ExitWatch(Reactor& reactor, Fd pidfd, std::function<void()> on_exit);
  ~ExitWatch();
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;

  // The errno, or 0.
  int signal(int number);

 private:
  std::shared_ptr<Descriptor> descriptor_;
};

}  // namespace gantry::providers::local
