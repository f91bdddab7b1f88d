// Logs of a process instance for one reader, followed by edges from inotify.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"
#include "providers/local/log_cursor.hpp"
#include "providers/local/watches.hpp"

namespace gantry::providers::local {

// Something about an instance changed; counted, so that no change falls between looking and waiting.
struct Pulse {
  explicit Pulse(Reactor& reactor) : signal(reactor) {}
  void beat() {
    ++count;
    signal.notify_all();
  }
  Signal signal;
  std::uint64_t count = 0;
};

class FileLogReader final : public LogReader {
 public:
  // `is_live` says whether more may still be written; `pulse` beats when it stops being so.
  FileLogReader(Reactor& reactor, Blocking& blocking, std::shared_ptr<FolderWatch> watch, std::shared_ptr<Pulse> pulse,
                std::string folder, LogQuery query, std::function<bool()> is_live);
  ~FileLogReader() override;

  Task<std::string> next() override;
  void close() override;

 private:
  // Outlives the reader while a blocking thread reads.
  struct Source {
    std::string folder;
    LogQuery query;
    std::optional<LogCursor> cursor;
  };
  static Task<std::string> read(Reactor& reactor, Blocking& blocking, std::shared_ptr<Source> source);

  Reactor& reactor_;
  Blocking& blocking_;
  std::shared_ptr<FolderWatch> watch_;
  std::shared_ptr<Pulse> pulse_;
  std::shared_ptr<Source> source_;
  std::function<bool()> is_live_;
  FolderWatch::Token token_ = 0;
  bool closed_ = false;
};

}  // namespace gantry::providers::local
