#include "reconcilers/source/folder_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "controller/base/log.hpp"

namespace gantry::reconcilers::source {

struct FolderWatch::State {
  State(Reactor& reactor, std::string path, std::function<void()> callback)
      : root(std::move(path)),
        changed(std::move(callback)),
        descriptor(reactor.executor(), ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

  static constexpr std::uint32_t kMask =
      IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

  bool add(const std::string& folder) {
    const int id = ::inotify_add_watch(descriptor.native_handle(), folder.c_str(), kMask | IN_ONLYDIR);
    if (id < 0) {
      if (errno == ENOSPC)
        log::Logger("source").warn("too many folders to watch; changes there are seen at the next resync",
                                   {{"folder", folder}});
      return false;
    }
    folders[id] = folder;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.is_directory(error) && !entry.is_symlink(error) && !entry.path().filename().string().starts_with('.'))
        add(entry.path().string());
    }
    return true;
  }

  std::string root;
  std::function<void()> changed;
  asio::posix::basic_stream_descriptor<Executor> descriptor;
  std::map<int, std::string> folders;
  bool watching = false;
  bool closed = false;
};

FolderWatch::FolderWatch(Reactor& reactor, std::string root, std::function<void()> changed)
    : state_(std::make_shared<State>(reactor, std::move(root), std::move(changed))) {
  state_->watching = state_->add(state_->root);
  if (state_->watching) reactor.spawn(listen(reactor, state_));
}

FolderWatch::~FolderWatch() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

const std::string& FolderWatch::root() const { return state_->root; }
bool FolderWatch::watching() const { return state_->watching; }

Task<> FolderWatch::listen(Reactor& reactor, std::shared_ptr<State> state) {
  // An editor writes, renames and syncs in one go; a burst is one change.
  constexpr Duration kBurst = std::chrono::milliseconds(2);
  alignas(inotify_event) char buffer[16 << 10];
  while (!state->closed) {
    boost::system::error_code error;
    co_await state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                          asio::redirect_error(use_task, error));
    if (error || state->closed) co_return;
    co_await sleep_for(reactor, kBurst);
    if (state->closed) co_return;
    bool any = false;
    for (ssize_t length = 0; (length = ::read(state->descriptor.native_handle(), buffer, sizeof buffer)) > 0;) {
      for (ssize_t at = 0; at < length;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        any = true;
        if (event->mask & IN_IGNORED) state->folders.erase(event->wd);
        const auto folder = state->folders.find(event->wd);
        const bool new_folder = (event->mask & IN_ISDIR) && (event->mask & (IN_CREATE | IN_MOVED_TO));
        if (new_folder && folder != state->folders.end() && event->len > 0 && event->name[0] != '.')
          state->add(folder->second + "/" + event->name);
        if (event->wd >= 0 && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) && folder != state->folders.end() &&
            folder->second == state->root)
          state->watching = false;
      }
    }
    if (any) state->changed();
  }
}

}  // namespace gantry::reconcilers::source
