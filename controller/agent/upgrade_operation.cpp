// Self-upgrade: the new binary comes as a body, is started beside this agent in a folder of its own and asked for its
// health, and only then takes this one's place. The launcher takes it back when it does not serve there.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "controller/agent/agent_call.hpp"
#include "controller/agent/launcher.hpp"
#include "controller/agent/upload.hpp"
#include "controller/base/files.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/log.hpp"
#include "providers/agent/wire.hpp"
#include "providers/local/posix.hpp"

extern char** environ;

namespace gantry::agent {
namespace {

const log::Logger kLog("agent");
constexpr Duration kTrialLimit = std::chrono::seconds(20);
constexpr Duration kLook = std::chrono::milliseconds(50);

// An agent of that binary, on a port and in a folder of its own, for as long as this lives. Blocks at its end.
class Trial {
 public:
  Trial(const std::string& binary, std::string folder) : folder_(std::move(folder)) {
    providers::local::remove_folder(folder_);
    files::make_directories(folder_, 0700);
    std::vector<std::string> words{binary,     "agent",           "--data-dir",     folder_,
                                   "--listen", "127.0.0.1:0",     "--http",         "--log-level",
                                   "off",      "--docker-socket", folder_ + "/none"};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int error = ::posix_spawn(&pid_, binary.c_str(), nullptr, nullptr, argv.data(), environ);
    if (error != 0)
      throw Error(ErrorCode::Invalid, "the new binary cannot be started: " + providers::local::errno_text(error));
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (!ended()) {
      ::kill(pid_, SIGTERM);
      int status = 0;
      ::waitpid(pid_, &status, 0);
    }
    try {
      providers::local::remove_folder(folder_);
    } catch (const Error&) {  // tidy: a leftover, and the next trial's first act
    }
  }

  bool ended() {
    int status = 0;
    ended_ = ended_ || ::waitpid(pid_, &status, WNOHANG) == pid_;
    return ended_;
  }
  // Null until it says where it serves.
  json::Value about() const {
    const auto text = files::read_file_if_exists(files::join(folder_, "agent.json"), 1 << 16);
    return text ? json::parse(*text) : json::Value();
  }
  std::string key() const {
    const std::string text = files::read_file(files::join(folder_, "agent.key"), 1 << 16);
    return text.substr(0, text.find_first_of(" \n"));
  }

 private:
  std::string folder_;
  pid_t pid_ = 0;
  bool ended_ = false;
};

Task<std::string> version_of(Reactor& reactor, Blocking& blocking, std::shared_ptr<Trial> trial) {
  const Instant deadline = reactor.now() + kTrialLimit;
  json::Value about;
  while (about.is_null()) {
    if (co_await blocking.run(reactor, [trial] { return trial->ended(); }))
      throw Error(ErrorCode::Invalid, "the new binary was started beside this agent, and ended at once");
    if (reactor.now() > deadline)
      throw Error(ErrorCode::Invalid, "the new binary was started beside this agent, and does not serve");
    co_await sleep_for(reactor, kLook);
    about = co_await blocking.run(reactor, [trial] { return trial->about(); });
  }
  http::Pool pool(reactor, http::Endpoint::of_url(about.string_or("url")), nullptr);
  http::Request request{.method = "GET", .url = "/health"};
  request.headers.emplace_back("X-API-Key", co_await blocking.run(reactor, [trial] { return trial->key(); }));
  const json::Value health = providers::agent::open_envelope("the new agent", co_await pool.send(std::move(request)));
  if (health.string_or("status") != "healthy")
    throw Error(ErrorCode::Invalid, "the new agent says that it is \"" + health.string_or("status") + "\"");
  co_return health.string_or("version");
}

}  // namespace

Task<api::HttpResponse> AgentApi::upgrade(Call call) {
  if (!parts_.on_upgrade)
    throw Error(ErrorCode::Invalid,
                "this agent has nobody above it who could take the new one back; replace it by hand");
  const auto body = std::static_pointer_cast<Upload>(call.request.sink);
  if (upgrading_) throw Error(ErrorCode::Conflict, "an upgrade is under way already");
  const std::string digest = body->digest();
  if (const std::string expected = call.parameter("digest"); !expected.empty() && expected != digest)
    throw Error(ErrorCode::Invalid, "the binary is " + digest + ", and not " + expected + "; nothing was changed");
  const std::string bin = files::join(parts_.data_dir, "bin");
  const std::string name = digest.substr(digest.find(':') + 1);
  upgrading_ = true;
  std::optional<Error> failure;
  std::string version;
  try {
    co_await parts_.blocking.run(parts_.reactor, [body, bin, name] {
      files::make_directories(bin, 0700);
      body->keep_as(files::join(bin, name), 0700);
    });
    const auto trial = co_await parts_.blocking.run(parts_.reactor, [bin, name] {
      return std::make_shared<Trial>(files::join(bin, name), files::join(bin, "trial"));
    });
    version = co_await version_of(parts_.reactor, parts_.blocking, trial);
    co_await parts_.blocking.run(parts_.reactor, [trial = std::move(trial)]() mutable { trial.reset(); });
    co_await parts_.blocking.run(parts_.reactor,
                                 [bin, name] { files::write_file_atomically(files::join(bin, "next"), name, 0600); });
  } catch (const Error& error) {
    failure = error;
  }
  upgrading_ = !failure;
  if (failure) throw failure->while_("upgrade");
  kLog.info("the new agent is healthy, and takes over", {{"version", version}, {"digest", digest}});
  parts_.on_upgrade();  // this answer is finished first
  co_return answered({{"version", version}, {"digest", digest}, {"from", parts_.version}});
}

}  // namespace gantry::agent
