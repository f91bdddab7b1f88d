// What an agent is asked for before anything can be started there: code, builds, images.
#include "controller/base/percent.hpp"
#include "providers/agent/remote_host.hpp"
#include "providers/agent/wire.hpp"
#include "providers/source/archive.hpp"

namespace gantry::providers::agent {

// Packed and sent piece by piece, unpacked there beside what is in use, and taken only when its content is what its
// name says.
Task<> RemoteHost::bring_code(std::string folder, std::string digest, std::string app) {
  must_be_connected();
  const json::Value known = co_await call("GET", "/code/" + digest, options_.call);
  if (known.bool_or("present", false)) co_return;
  const auto pack = std::make_shared<source::FolderTar>(folder, source::FolderTar::Options{.gzip = true});
  http::Request upload = request("PUT", "/code/" + digest, options_.upload);
  upload.headers.emplace_back("Content-Type", "application/gzip");
  upload.more = [this, pack]() -> Task<std::string> {
    return blocking_.run(reactor_, [pack] { return pack->next(); });
  };
  const auto pass = gate_.enter();
  log_.info("code is sent", {{"server", server_}, {"app", app}, {"digest", digest}});
  open_envelope("Server " + server_, co_await pool_.send(std::move(upload)));
}

// ---- Builds.

Task<BuildState> RemoteHost::build(BuildSpec spec) {
  must_be_connected();
  if (!spec.folder.empty()) co_await bring_code(spec.folder, spec.digest, spec.owner_name);
  co_return build_state_from(co_await call("POST", "/build", options_.call, to_json(spec)));
}

Task<> RemoteHost::end_builds(std::string owner_uid, std::string but_key) {
  must_be_connected();
  co_await call("DELETE", "/build?owner=" + percent_encode(owner_uid) + "&keep=" + percent_encode(but_key),
                options_.call);
}

Task<std::unique_ptr<LogReader>> RemoteHost::build_log(std::string owner_uid, bool follow) {
  must_be_connected();
  co_return co_await open_log("/build/log?owner=" + percent_encode(owner_uid) + (follow ? "&follow" : ""));
}

Task<> RemoteHost::prune(std::set<std::string> code, Needed needed, Duration younger, Duration unused) {
  must_be_connected();
  const auto list = [](const std::set<std::string>& all) { return json::Array(all.begin(), all.end()); };
  const auto seconds = [](Duration time) { return std::chrono::duration_cast<std::chrono::seconds>(time).count(); };
  co_await call("POST", "/prune", options_.pull,
                json::Object{{"keepCode", list(code)},
                             {"keepBuilds", list(needed.keys)},
                             {"keepImages", list(needed.images)},
                             {"youngerSeconds", seconds(younger)},
                             {"unusedSeconds", seconds(unused)}});
}

// ---- Images.

Task<std::string> RemoteHost::ensure_image(std::string reference) {
  must_be_connected();
  const json::Value answer =
      co_await call("POST", "/pull", options_.pull, json::Object{{"image", std::move(reference)}});
  co_return answer.string_or("digest");
}

Task<bool> RemoteHost::has_image(std::string image) {
  must_be_connected();
  const json::Value answer = co_await call("GET", "/images?name=" + percent_encode(image), options_.call);
  co_return answer.bool_or("present", false);
}

Task<std::unique_ptr<LogReader>> RemoteHost::save_image(std::string image) {
  must_be_connected();
  co_return co_await open_log("/images/save?name=" + percent_encode(image));
}

Task<> RemoteHost::load_image(std::function<Task<std::string>()> more) {
  must_be_connected();
  http::Request upload = request("POST", "/images/load", options_.upload);
  upload.headers.emplace_back("Content-Type", "application/x-tar");
  upload.more = std::move(more);
  const auto pass = gate_.enter();
  open_envelope("Server " + server_, co_await pool_.send(std::move(upload)));
}

}  // namespace gantry::providers::agent
