// What the workshop keeps: logs, results, images; and what it carries to other hosts.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "providers/local/docker_format.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/workshop_job.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::size_t kPiece = 64 << 10;
constexpr Duration kGlance = std::chrono::milliseconds(200);
constexpr Duration kLoadLimit = std::chrono::minutes(30);
constexpr Duration kClocksDiffer = std::chrono::seconds(1);  // times without fractions
constexpr Duration kCacheKept = std::chrono::hours(24 * 7);

std::string read_piece(const std::string& path, std::int64_t offset) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return "";
  std::string piece(kPiece, '\0');
  const auto got = ::pread(file.get(), piece.data(), piece.size(), offset);
  piece.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return piece;
}

// Docker says a JSON document a line: {"stream":"Loaded image: gantry.local/prod/web:abc\n"}.
std::vector<std::string> loaded_images(std::string_view said) {
  constexpr std::string_view kLoaded = "Loaded image: ";
  std::vector<std::string> names;
  http::LineSplitter lines;
  lines.feed(said);
  const auto take = [&](std::string_view line) {
    if (line.find(kLoaded) == std::string_view::npos) return;
    const std::string text = json::parse(line).string_or("stream");
    if (!text.starts_with(kLoaded)) return;
    names.push_back(text.substr(kLoaded.size(), text.find('\n') - kLoaded.size()));
  };
  while (const auto line = lines.next()) take(*line);
  take(lines.rest());
  return names;
}

class StreamReader final : public LogReader {
 public:
  explicit StreamReader(std::unique_ptr<http::ResponseStream> stream) : stream_(std::move(stream)) {}
  Task<std::string> next() override { return stream_->next(); }
  void close() override { stream_->close(); }

 private:
  std::unique_ptr<http::ResponseStream> stream_;
};

}  // namespace

// ---------------------------------------------------------------- logs

// The file as far as it goes, and on while the build does.
class Workshop::LogOfBuild final : public LogReader {
 public:
  LogOfBuild(Workshop& shop, JobPtr job, bool follow)
      : shop_(shop), job_(std::move(job)), path_(shop.place_of(job_->state.key) + "/log"), follow_(follow) {}

  Task<std::string> next() override {
    while (!closed_) {
      const bool over = !job_->running() || !follow_ || shop_.closing_;
      std::string piece =
          co_await shop_.blocking_.run(shop_.reactor_, [path = path_, at = offset_] { return read_piece(path, at); });
      offset_ += static_cast<std::int64_t>(piece.size());
      if (!piece.empty()) co_return piece;
      if (over) break;
      co_await job_->changed.wait_until(shop_.reactor_.now() + kGlance);
    }
    co_return "";
  }
  void close() override {
    closed_ = true;
    job_->changed.notify_all();
  }

 private:
  Workshop& shop_;
  JobPtr job_;
  std::string path_;
  bool follow_;
  bool closed_ = false;
  std::int64_t offset_ = 0;
};

Workshop::JobPtr Workshop::newest_of(const std::string& owner_uid) const {
  JobPtr newest;
  for (const auto& [key, job] : jobs_) {
    if (job->owner_uid != owner_uid || job->kind == BuildSpec::Kind::Pull) continue;
    if (!newest || newest->state.began < job->state.began) newest = job;
  }
  return newest;
}

Task<std::unique_ptr<LogReader>> Workshop::build_log(std::string owner_uid, bool follow) {
  const JobPtr job = newest_of(owner_uid);
  if (!job) throw Error(ErrorCode::NotFound, "nothing was built for this App, so there is no build log");
  if (!job->instance.empty() && job->running()) {
    LogQuery query;
    query.follow = follow;
    co_return co_await host_.logs(job->instance, query);
  }
  co_return std::make_unique<LogOfBuild>(*this, job, follow);
}

// ---------------------------------------------------------------- what goes

Task<> Workshop::keep_account(std::vector<std::string> layers, WallTime began) {
  std::vector<std::string> made;
  for (const auto& layer : layers) {
    try {
      const json::Value image = co_await engine_.call("looking at a layer", "GET", "/images/" + layer + "/json");
      const json::Value* tags = image.find("RepoTags");
      const bool named = tags && tags->is_array() && !tags->as_array().empty();
      if (!named && parse_time(image.string_or("Created")) >= began - kClocksDiffer)
        made.push_back(image.string_or("Id"));
    } catch (const Error&) {  // tidy: Docker is away, or the layer is: it stays, and costs room
    }
  }
  if (!made.empty()) co_await ledger_.left_by_build(std::move(made));
}

// Docker's builder removes its containers itself, unless it is ended between making one and starting it.
Task<> Workshop::remove_leftovers() {
  for (auto all = std::exchange(leftovers_, {}); !all.empty(); all.pop_back()) {
    bool done = false;
    try {
      for (const auto& container : all.back().first.containers) co_await remove_container(container);
      if (all.back().first.cut_off) co_await remove_untold(all.back().first, all.back().second);
      done = true;
    } catch (const Error&) {  // Docker is away
      done = false;
    }
    if (done) continue;
    leftovers_.insert(leftovers_.end(), all.begin(), all.end());
    break;
  }
}

Task<> Workshop::remove_container(std::string id) {
  std::optional<Error> failure;
  try {
    co_await engine_.call("removing what a build left", "DELETE", "/containers/" + id + "?force=1&v=1");
  } catch (const Error& error) {
    failure = error;
  }
  // NotFound is as it should be; in Conflict Docker removes it at this moment.
  if (failure && failure->code() != ErrorCode::NotFound && failure->code() != ErrorCode::Conflict) throw *failure;
}

// One that Docker made and had no time to tell of: it was made during the build, from one of its images, for its last
// step (or to change nothing but an image's words), and has never run or does not any more. Nor may there have been
// time to tell of the image: the labels come last, and then they say whose it is.
Task<> Workshop::remove_untold(DockerBuild::Traces traces, WallTime began) {
  const json::Value all = co_await engine_.call("looking for what a build left", "GET", "/containers/json?all=1");
  const std::string command = traces.step.starts_with("RUN ") ? traces.step.substr(4) : "#(nop)";
  for (const auto& one : all.as_array()) {
    const std::string image = one.string_or("ImageID");
    const bool of_build =
        std::ranges::any_of(traces.layers, [&](const auto& layer) { return image.starts_with("sha256:" + layer); });
    const json::Value* labels = one.find("Labels");
    const bool labelled = labels && labels->is_object() && labels->string_or("gantry.dev/build") == traces.key;
    const WallTime created{std::chrono::seconds(one.int_or("Created", 0))};
    const std::string words = one.string_or("Command");
    const bool only_words = words.find("#(nop)") != std::string::npos;
    const bool ours =
        (of_build && (only_words || words.find(command) != std::string::npos)) || (labelled && only_words);
    if (ours && created >= began - kClocksDiffer && one.string_or("State") != "running")
      co_await remove_container(one.string_or("Id"));
  }
}

Task<> Workshop::sweep(Needed needed, Duration younger, Duration unused) {
  const auto pass = gate_.enter();
  std::set<std::string> keys = needed.keys;
  const WallTime now = reactor_.clock().wall();
  for (auto at = jobs_.begin(); at != jobs_.end();) {
    const bool kept = keys.contains(at->first) || at->second->running() || now - at->second->state.ended < younger;
    if (kept) {
      keys.insert(at->first);
      ++at;
    } else {
      at = jobs_.erase(at);
    }
  }
  co_await blocking_.run(reactor_, [folder = options_.folder, keys, younger, now] {
    for (const auto& key : names_in(folder + "/builds")) {
      const std::string path = folder + "/builds/" + key;
      if (!keys.contains(key) && older_than(path, younger, now)) remove_folder(path);
    }
    for (const auto& owner : names_in(folder + "/caches")) {
      for (const auto& lock : names_in(folder + "/caches/" + owner)) {
        const std::string path = folder + "/caches/" + owner + "/" + lock;
        if (older_than(path, kCacheKept, now)) remove_folder(path);
      }
    }
  });
  const std::string filter = R"({"label":[")" + std::string(kHostLabel) + "=" + options_.host_id + R"("]})";
  std::optional<Error> failure;
  try {
    const json::Value images =
        co_await engine_.call("listing what was built", "GET", "/images/json?filters=" + query_escape(filter));
    for (const auto& image : images.as_array()) {
      const json::Value* labels = image.find("Labels");
      const std::string key = labels ? labels->string_or("gantry.dev/build") : "";
      const WallTime created{std::chrono::seconds(image.int_or("Created", 0))};
      if (key.empty() || keys.contains(key) || now - created < younger) continue;
      const json::Value* tags = image.find("RepoTags");
      if (!tags || !tags->is_array()) continue;
      for (const auto& tag : tags->as_array()) {
        if (tag.as_string().starts_with("gantry.local/"))
          co_await engine_.call("removing an old image", "DELETE", "/images/" + tag.as_string());
      }
    }
    co_await remove_leftovers();
    co_await ledger_.sweep(engine_, std::move(needed), unused);
  } catch (const Error& error) {
    failure = error;  // Docker is away, or something still runs from the image: the next sweep sees to it
  }
  if (failure && failure->code() != ErrorCode::Unavailable)
    log_.warn("an old image could not be removed", {{"error", failure->what()}});
}

// ---------------------------------------------------------------- carrying

Task<bool> Workshop::has_image(std::string image) {
  const auto pass = gate_.enter();
  co_return !(co_await find_image(engine_, std::move(image))).empty();
}

Task<std::string> Workshop::pull_image(std::string reference) {
  const auto pass = gate_.enter();
  // What was here before is not ours to remove.
  const bool ours = (co_await find_image(engine_, reference)).empty();
  std::string digest = co_await ensure_image(engine_, reference);
  if (ours) co_await ledger_.pulled(std::move(reference), digest);
  co_return digest;
}

Task<std::unique_ptr<LogReader>> Workshop::save_image(std::string image) {
  const auto pass = gate_.enter();
  if ((co_await find_image(engine_, image)).empty())
    throw Error(ErrorCode::NotFound, "the image " + image + " is not on this host");
  co_return std::make_unique<StreamReader>(
      co_await engine_.stream("saving the image " + image, "/images/" + image + "/get"));
}

Task<> Workshop::load_image(std::function<Task<std::string>()> more) {
  const auto pass = gate_.enter();
  const auto answer = co_await engine_.send_stream("loading an image", "/images/load?quiet=1", "application/x-tar",
                                                   std::move(more), kLoadLimit);
  std::string said;
  for (std::string piece = co_await answer->next(); !piece.empty(); piece = co_await answer->next()) said += piece;
  if (const std::string error = pull_error(said); !error.empty())
    throw Error(ErrorCode::Invalid, "loading an image: " + error);
  for (const auto& name : loaded_images(said)) {
    if (name.starts_with("gantry.local/")) co_await ledger_.carried(name);
  }
}

}  // namespace gantry::providers::local
