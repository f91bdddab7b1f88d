#include "providers/local/file_log_reader.hpp"

namespace gantry::providers::local {

FileLogReader::FileLogReader(Reactor& reactor, Blocking& blocking, std::shared_ptr<FolderWatch> watch,
                             std::shared_ptr<Pulse> pulse, std::string folder, LogQuery query,
                             std::function<bool()> is_live)
    : reactor_(reactor),
      blocking_(blocking),
      watch_(std::move(watch)),
      pulse_(std::move(pulse)),
      source_(std::make_shared<Source>(std::move(folder), query, std::nullopt)),
      is_live_(std::move(is_live)) {
  if (!query.follow) return;
  token_ = watch_->add(source_->folder, true, [weak = std::weak_ptr(pulse_)](std::string_view) {
    if (const auto pulse = weak.lock()) pulse->beat();
  });
}

FileLogReader::~FileLogReader() { watch_->remove(token_); }

Task<std::string> FileLogReader::read(Reactor& reactor, Blocking& blocking, std::shared_ptr<Source> source) {
  co_return co_await blocking.run(reactor, [source] {
    if (!source->cursor) source->cursor.emplace(source->folder, source->query);
    return source->cursor->more();
  });
}

Task<std::string> FileLogReader::next() {
  while (!closed_) {
    const auto pulse = pulse_;
    const auto seen = pulse->count;
    const bool live = is_live_();
    std::string text = co_await read(reactor_, blocking_, source_);
    if (closed_ || !text.empty()) co_return closed_ ? "" : std::move(text);
    if (!source_->query.follow || !live) co_return "";
    while (!closed_ && pulse->count == seen) co_await pulse->signal.wait();
  }
  co_return "";
}

void FileLogReader::close() {
  closed_ = true;
  pulse_->beat();
}

}  // namespace gantry::providers::local
