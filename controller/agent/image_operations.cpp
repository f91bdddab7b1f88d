// The operations on images: built here from code that is here, saved for another host, loaded from one.
#include <fcntl.h>
#include <unistd.h>

#include "controller/agent/agent_call.hpp"
#include "controller/agent/upload.hpp"
#include "controller/base/log.hpp"
#include "providers/agent/wire.hpp"
#include "providers/local/posix.hpp"

namespace gantry::agent {
namespace {

using providers::BuildSpec;
using providers::BuildState;
using providers::agent::build_from;
using providers::agent::to_json;

constexpr Duration kLook = std::chrono::milliseconds(200);

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
  BuildSpec spec = build_from(call.body());
  spec.folder = parts_.code.staged(spec.digest);
  if (spec.folder.empty()) {
    throw Error(ErrorCode::NotFound,
                "codeDigest: \"" + spec.digest + "\" is not on this host; POST /upload or /git/clone brings code");
  }
  if (!spec.env.empty() && spec.env_digest.empty()) {
    std::string all;
    for (const auto& [name, value] : spec.env) all += json::dump(json::Object{{name, value.reveal()}});
    spec.env_digest = parts_.keys.keyed(all);
  }
  BuildState state = co_await parts_.builder.look(spec);
  if (state.phase == BuildState::Phase::Absent) {
    // What was being built for an earlier wish would only be in the way.
    parts_.builder.keep_only_build(spec.owner_uid, state.key);
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
  if (state.phase == BuildState::Phase::Failed) {
    Error failure(ErrorCode::Invalid, "the build failed: " + state.message);
    if (state.retry_in) failure.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*state.retry_in);
    throw failure;
  }
  co_return answered(to_json(state).as_object());
}

Task<api::HttpResponse> AgentApi::end_builds(Call call) {
  const std::string owner = call.parameter("owner");
  if (owner.empty()) throw Error(ErrorCode::BadRequest, "owner: whose builds? the ownerUid that they were begun with");
  parts_.builder.keep_only_build(owner, call.parameter("keep"));
  co_return answered({{"owner", owner}});
}

Task<api::HttpResponse> AgentApi::build_log(Call call) {
  const std::string owner = call.parameter("owner");
  if (owner.empty()) throw Error(ErrorCode::BadRequest, "owner: whose build? the ownerUid that it was begun with");
  api::HttpResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.stream = std::make_unique<PieceStream>(co_await parts_.builder.build_log(owner, call.on("follow")));
  co_return response;
}

Task<api::HttpResponse> AgentApi::find_image(Call call) {
  const std::string name = call.parameter("name");
  if (name.empty()) throw Error(ErrorCode::BadRequest, "name: which image? /images?name=...");
  co_return answered({{"name", name}, {"present", co_await parts_.images.has_image(name)}});
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
