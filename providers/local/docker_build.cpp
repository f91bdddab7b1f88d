#include "providers/local/docker_build.hpp"

#include "controller/base/clock.hpp"
#include "providers/local/docker_format.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/archive.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::string_view kGenerated = ".gantry.Dockerfile";
constexpr std::string_view kLayer = " ---> ";  // and an id
constexpr std::string_view kRunning = " ---> Running in ";
constexpr int kLooks = 3;
constexpr Duration kLookPause = std::chrono::milliseconds(300);
constexpr Duration kPingLimit = std::chrono::seconds(5);
constexpr Duration kContextLimit = std::chrono::minutes(10);  // to send the code

std::string id_after(std::string_view words, std::string_view text) {
  if (!text.starts_with(words)) return {};
  text.remove_prefix(words.size());
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos ? std::string(text) : std::string();
}

std::string build_path(const BuildSpec& spec, const std::string& key, const std::string& host_id,
                       const std::string& dockerfile) {
  json::Object labels{{kHostLabel.data(), host_id},
                      {"gantry.dev/app", spec.owner_name},
                      {"gantry.dev/namespace", spec.owner_namespace},
                      {"gantry.dev/app-uid", spec.owner_uid},
                      {"gantry.dev/build", key}};
  json::Object arguments;
  for (const auto& [name, value] : spec.env) arguments.set(name, value.reveal());
  const std::string memory = std::to_string(spec.memory_bytes);
  // Memory and swap together: what is over is killed, and not swapped until the host stands still.
  return "/build?t=" + query_escape(built_image(spec.owner_namespace, spec.owner_name, key)) +
         "&dockerfile=" + query_escape(dockerfile) + "&rm=1&forcerm=1&memory=" + memory + "&memswap=" + memory +
         "&labels=" + query_escape(json::dump(json::Value(std::move(labels)))) +
         "&buildargs=" + query_escape(json::dump(json::Value(std::move(arguments))));
}

}  // namespace

void DockerBuild::cancel() {
  cancelled_ = true;
  if (stream_) stream_->close();
}

Task<std::string> DockerBuild::run(const BuildSpec& spec, std::string key, std::string host_id) {
  traces_.key = key;
  const build::Recipe recipe = co_await blocking_.run(reactor_, [spec] { return build::recipe_for(spec); });
  log_.add(recipe.preset.empty()
               ? "Building with " + recipe.path + (recipe.path.empty() ? recipe.why : "") + "\n"
               : "Building with preset " + recipe.preset + " (" + recipe.why + "):\n" + recipe.dockerfile + "\n");
  const bool generated = !recipe.dockerfile.empty();
  source::FolderTar::Options options;
  if (generated) options.extra_name = kGenerated;
  options.extra_text = recipe.dockerfile;
  const auto tar = co_await blocking_.run(
      reactor_, [folder = spec.folder, options] { return std::make_shared<source::FolderTar>(folder, options); });
  const std::string path = build_path(spec, key, host_id, generated ? std::string(kGenerated) : recipe.path);
  const std::string doing = "building " + spec.owner_namespace + "/" + spec.owner_name;
  const Instant deadline = reactor_.now() + spec.timeout;
  stream_ = co_await engine_.send_stream(
      doing, path, "application/x-tar", [this, tar] { return blocking_.run(reactor_, [tar] { return tar->next(); }); },
      std::min<Duration>(kContextLimit, spec.timeout));
  if (cancelled_) stream_->close();
  Clock& clock = reactor_.clock();
  const auto timer = clock.call_at(reactor_, deadline, [this] {
    late_ = true;
    stream_->close();
  });
  std::optional<Error> failure;
  try {
    co_await follow(spec);
  } catch (const Error& error) {
    failure = error;
  }
  clock.cancel(timer);
  stream_.reset();
  if (late_)
    throw Error(ErrorCode::Timeout, doing + ": it did not end within " + human_duration(spec.timeout) +
                                        " and was cut off; the last lines:\n" + log_.tail());
  if (cancelled_) throw Error(ErrorCode::Cancelled, doing + ": ended, since it is not needed any more");
  const bool full = log_.tail().find("o space left on device") != std::string::npos;
  // A command of the code's own that failed will fail again. What Docker says of itself may pass: it is being
  // restarted, a registry does not answer, something was killed.
  const bool broken = !error_.empty() && exit_code_ != 0 && exit_code_ != 137 && !full;
  json::Value image;
  if (!failure && error_.empty()) {
    try {
      image = co_await engine_.call("looking for what was built", "GET",
                                    "/images/" + built_image(spec.owner_namespace, spec.owner_name, key) + "/json");
    } catch (const Error& error) {
      failure = error;
    }
  }
  const std::string cause = failure ? failure->message() : error_;
  const bool cut_off = traces_.cut_off = failure || (!error_.empty() && !broken && !full);
  if (cut_off && co_await docker_is_gone())
    throw Error(ErrorCode::Unavailable, doing + ": the Docker daemon stopped in the middle of the build (" + cause +
                                            "); it is built anew once Docker answers again");
  if (failure) throw Error(ErrorCode::Unavailable, doing + ": Docker cut the build off: " + cause);
  if (!error_.empty()) {
    throw Error(broken ? ErrorCode::Invalid : ErrorCode::Unavailable,
                doing + ": " + error_ + (full ? "; make room for Docker" : "") + "; the last lines:\n" + log_.tail());
  }
  co_return image.string_or("Id");
}

// One that is being ended often says something of its own first: that a command was killed, a context cancelled.
Task<bool> DockerBuild::docker_is_gone() {
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) co_await sleep_for(reactor_, kLookPause);
    try {
      co_await engine_.text("asking for Docker", "GET", "/_ping", kPingLimit);
    } catch (const Error&) {  // that is the answer
      co_return true;
    }
  }
  co_return false;
}

Task<> DockerBuild::follow(const BuildSpec&) {
  http::LineSplitter lines;
  while (true) {
    const std::string piece = co_await stream_->next();
    if (piece.empty()) break;
    lines.feed(piece);
    while (const auto line = lines.next()) take(std::string(*line));
    co_await log_.flush();
  }
  take(std::string(lines.rest()));
  co_await log_.flush();
}

void DockerBuild::take(const std::string& line) {
  if (line.find_first_not_of(" \r\n") == std::string::npos) return;
  const json::Value report = json::parse(line);
  const std::string text = report.string_or("stream");
  log_.add(text);
  if (std::string container = id_after(kRunning, text); !container.empty())
    traces_.containers.push_back(std::move(container));
  if (std::string layer = id_after(kLayer, text); !layer.empty()) traces_.layers.push_back(std::move(layer));
  if (text.starts_with("Step ") && text.find(" : ") != std::string::npos)
    traces_.step = text.substr(text.find(" : ") + 3, text.find('\n') - text.find(" : ") - 3);
  if (const std::string status = report.string_or("status"); !status.empty() && !report.find("progressDetail"))
    log_.add(status + "\n");
  if (const std::string error = report.string_or("error"); !error.empty()) {
    error_ = error;
    if (const json::Value* detail = report.find("errorDetail")) exit_code_ = detail->int_or("code", 0);
    log_.add(error + "\n");
  }
}

}  // namespace gantry::providers::local
