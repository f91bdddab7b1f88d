#include "providers/local/watches.hpp"

#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

extern "C" {  // glibc 2.36 forgets to say so itself
#include <sys/pidfd.h>
}

#include "controller/base/error.hpp"

namespace gantry::providers::local {

FolderWatch::FolderWatch(Reactor& reactor) : inotify_(reactor.executor()) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) {
    throw Error(ErrorCode::Unavailable, "cannot watch folders: " + errno_text(errno) +
                                            " (fs.inotify.max_user_instances says how many programs of a user may)");
  }
  inotify_.assign(fd);
  wait();
}

FolderWatch::~FolderWatch() = default;

FolderWatch::Token FolderWatch::add(const std::string& folder, bool writes, OnEvent callback) {
  const Token token = ++last_;
  folders_[folder].listeners.push_back(token);
  listeners_.emplace(token, Listener{folder, writes, std::move(callback)});
  try {
    apply_mask(folder);
  } catch (const Error&) {
    remove(token);
    throw;
  }
  return token;
}

void FolderWatch::apply_mask(const std::string& folder) {
  Watched& watched = folders_.at(folder);
  const bool writes = std::ranges::any_of(watched.listeners, [&](Token each) { return listeners_.at(each).writes; });
  const std::uint32_t mask = IN_MOVED_TO | IN_ONLYDIR | (writes ? IN_MODIFY | IN_CREATE : 0U);
  const int descriptor = ::inotify_add_watch(inotify_.native_handle(), folder.c_str(), mask);
  if (descriptor < 0) throw Error(ErrorCode::Unavailable, "cannot watch " + folder + ": " + errno_text(errno));
  watched.descriptor = descriptor;
  by_descriptor_[descriptor] = folder;
}

void FolderWatch::remove(Token token) {
  const auto listener = listeners_.find(token);
  if (listener == listeners_.end()) return;
  const std::string folder = listener->second.folder;
  listeners_.erase(listener);
  const auto watched = folders_.find(folder);
  if (watched == folders_.end()) return;
  std::erase(watched->second.listeners, token);
  if (!watched->second.listeners.empty()) return;
  if (watched->second.descriptor >= 0) {
    ::inotify_rm_watch(inotify_.native_handle(), watched->second.descriptor);
    by_descriptor_.erase(watched->second.descriptor);
  }
  folders_.erase(watched);
}

void FolderWatch::wait() {
  inotify_.async_wait(Descriptor::wait_read, [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& e) {
    if (e || alive.expired()) return;
    read();
    if (!alive.expired()) wait();
  });
}

void FolderWatch::read() {
  alignas(inotify_event) char events[16 << 10];
  const std::weak_ptr alive = alive_;
  while (true) {
    const auto got = ::read(inotify_.native_handle(), events, sizeof events);
    if (got <= 0) return;
    for (const char* at = events; at < events + got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->mask & IN_Q_OVERFLOW) {
        for (const auto& [folder, watched] : std::map(folders_)) tell(watched.descriptor, "");
      } else {
        tell(event->wd, event->len > 0 ? std::string_view(event->name) : std::string_view());
      }
      if (alive.expired()) return;
    }
  }
}

void FolderWatch::tell(int descriptor, std::string_view name) {
  const auto folder = by_descriptor_.find(descriptor);
  if (folder == by_descriptor_.end()) return;
  const auto watched = folders_.find(folder->second);
  if (watched == folders_.end()) return;
  const std::weak_ptr alive = alive_;
  for (const Token token : std::vector(watched->second.listeners)) {
    const auto listener = listeners_.find(token);
    if (listener == listeners_.end()) continue;
    const auto callback = listener->second.callback;
    callback(name);
    if (alive.expired()) return;
  }
}

ExitWatch::ExitWatch(Reactor& reactor, Fd pidfd, std::function<void()> on_exit)
    : descriptor_(std::make_shared<Descriptor>(reactor.executor(), pidfd.release())) {
  descriptor_->async_wait(Descriptor::wait_read, [weak = std::weak_ptr(descriptor_), on_exit = std::move(on_exit)](
                                                     const boost::system::error_code& error) {
    const auto descriptor = weak.lock();
    if (error || !descriptor) return;
    siginfo_t ended{};
    // Fails when it is not our child (adopted), and then somebody else reaps it.
    ::waitid(P_PIDFD, static_cast<id_t>(descriptor->native_handle()), &ended, WEXITED | WNOHANG);
    on_exit();
  });
}

ExitWatch::~ExitWatch() = default;

int ExitWatch::signal(int number) {
  return ::pidfd_send_signal(descriptor_->native_handle(), number, nullptr, 0) == 0 ? 0 : errno;
}

}  // namespace gantry::providers::local
