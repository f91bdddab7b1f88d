// The operations on images: built here from code that is here, saved for another host, loaded from one.
#include <fcntl.h>
#include <unistd.h>

#include "controller/agent/agent_call.hpp"
#include "controller/agent/upload.hpp"
#include "controller/base/log.hpp"
#include "providers/local/posix.hpp"

namespace gantry::agent {
namespace {

using providers::BuildSpec;
using providers::BuildState;

constexpr Duration kLook = std::chrono::milliseconds(200);
constexpr std::array<std::string_view, 4> kPhases{"Absent", "Running", "Done", "Failed"};

json::Object to_json(const BuildState& state) {
  return {{"key", state.key},
          {"phase", kPhases[static_cast<std::size_t>(state.phase)]},
          {"image", state.image},
          {"folder", state.folder},
          {"message", state.message}};
}

class PieceStream final : public api::BodyStream {
 public:
  explicit PieceStream(std::unique_ptr<providers::LogReader> reader) : reader_(std::move(reader)) {}
  Task<std::vector<api::Piece>> next() override {
    std::vector<api::Piece> pieces;
    std::string piece = co_await reader_->next();
    if (!piece.empty()) pieces.emplace_back(std::move(piece));
    co_return pieces;
  }
  void close() override { reader_->close(); }

 private:
  std::unique_ptr<providers::LogReader> reader_;
};

}  // namespace

// The same body again asks how it is: what was made once is not made again.
Task<api::HttpResponse> AgentApi::build(Call call) {
  const json::Value body = call.body();
  BuildSpec spec;
  spec.owner_namespace = body.string_or("namespace", "default");
  spec.owner_name = body.string_or("app");
  if (spec.owner_name.empty()) throw Error(ErrorCode::BadRequest, "app: a name for what is built is required");
  spec.owner_uid = "agent:" + spec.owner_namespace + "/" + spec.owner_name;
  spec.digest = body.string_or("codeDigest");
  spec.folder = parts_.code.staged(spec.digest);
  if (spec.folder.empty()) {
    throw Error(ErrorCode::NotFound,
                "codeDigest: \"" + spec.digest + "\" is not on this host; POST /upload or /git/clone brings code");
  }
  const std::string runtime = body.string_or("runtime", "docker");
  if (runtime != "docker" && runtime != "process")
    throw Error(ErrorCode::BadRequest, "runtime: docker (an image) or process (a folder) is expected");
  spec.kind = runtime == "docker" ? BuildSpec::Kind::Image : BuildSpec::Kind::Folder;
  spec.preset = body.string_or("preset", "auto");
  spec.dockerfile = body.string_or("dockerfile");
  spec.command = body.string_or("command");
  spec.output = body.string_or("output");
  spec.node_version = body.string_or("nodeVersion");
  spec.port = static_cast<int>(body.int_or("port", 0));
  if (const json::Value* env = body.find("env"); env && env->is_object()) {
    for (const auto& [name, value] : env->as_object()) spec.env.emplace_back(name, Secret(value.as_string()));
    spec.env_digest = parts_.keys.keyed(json::dump(*env));
  }
  spec.memory_bytes = body.int_or("memoryBytes", spec.memory_bytes);
  spec.timeout = std::chrono::seconds(body.int_or("timeoutSeconds", 1200));
  spec.ask = body.string_or("ask");

  BuildState state = co_await parts_.builder.look(spec);
  if (state.phase == BuildState::Phase::Absent) {
    co_await parts_.builder.begin(spec);
    state = co_await parts_.builder.look(spec);
  }
  if (call.on("follow")) {
    api::HttpResponse response;
    response.content_type = "text/plain; charset=utf-8";
    response.stream = std::make_unique<PieceStream>(co_await parts_.builder.build_log(spec.owner_uid, true));
    co_return response;
  }
  const Instant deadline = parts_.reactor.now() + spec.timeout;
  while (call.on("wait") && state.phase == BuildState::Phase::Running && parts_.reactor.now() < deadline) {
    co_await sleep_for(parts_.reactor, kLook);
    state = co_await parts_.builder.look(spec);
  }
  if (state.phase == BuildState::Phase::Failed) throw Error(ErrorCode::Invalid, "the build failed: " + state.message);
  co_return answered(to_json(state));
}

Task<api::HttpResponse> AgentApi::save_image(Call call) {
  const std::string name = call.parameter("name");
  if (name.empty()) throw Error(ErrorCode::BadRequest, "name: which image? /images/save?name=...");
  api::HttpResponse response;
  response.content_type = "application/x-tar";
  response.stream = std::make_unique<PieceStream>(co_await parts_.images.save_image(name));
  co_return response;
}

Task<api::HttpResponse> AgentApi::load_image(Call call) {
  const auto body = std::static_pointer_cast<Upload>(call.request.sink);
  const auto file = std::make_shared<providers::local::Fd>(::open(body->path().c_str(), O_RDONLY | O_CLOEXEC));
  const auto more = [this, file]() -> Task<std::string> {
    co_return co_await parts_.blocking.run(parts_.reactor, [file] {
      std::string piece(1 << 20, '\0');
      const auto got = ::read(file->get(), piece.data(), piece.size());
      if (got < 0) throw Error(ErrorCode::Unavailable, "the upload cannot be read again");
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    });
  };
  co_await parts_.images.load_image(more);
  co_return answered({{"bytes", body->bytes()}});
}

}  // namespace gantry::agent
