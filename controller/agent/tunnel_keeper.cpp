#include "controller/agent/tunnel_keeper.hpp"

#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/tunnel_end.hpp"

namespace gantry::agent {
namespace {

using providers::Instance;
using providers::InstanceSpec;
namespace relay = providers::relay;

const log::Logger kLog("tunnel");
constexpr Duration kLookEvery = std::chrono::seconds(15);
constexpr Duration kStartPatience = std::chrono::seconds(10);
constexpr Duration kAskAgain = std::chrono::milliseconds(20);
constexpr Duration kControlTimeout = std::chrono::seconds(5);

}  // namespace

TunnelKeeper::TunnelKeeper(Reactor& reactor, Blocking& blocking, providers::WorkloadHost& host, Options options)
    : reactor_(reactor),
      blocking_(blocking),
      host_(host),
      options_(std::move(options)),
      own_(reactor, blocking, ports_, {.folder = options_.folder}),
      end_(reactor, own_,
           {"tunnel",
            {"$(GANTRY_BINARY)", "tunnel", "--dir", options_.folder, "--address", options_.address, "--port",
             std::to_string(options_.port)},
            options_.folder}),
      control_(reactor, options_.folder + "/control.sock"),
      settled_(reactor),
      wake_(reactor),
      gate_(reactor) {}

Task<> TunnelKeeper::open() {
  authority_ = co_await blocking_.run(reactor_, [folder = options_.folder] {
    files::make_directories(folder, 0700);
    return files::read_file_if_exists(folder + "/trust.pem", 1 << 20).value_or(std::string());
  });
  co_await own_.open();
  const auto look = [this](const std::string&) {
    news_ = true;
    wake_.notify_all();
  };
  own_.on_change(look);
  host_.on_change(look);
  reactor_.spawn(keep(gate_.enter()));
}

Task<> TunnelKeeper::close() {
  closing_ = true;
  wake_.notify_all();
  co_await gate_.close();
  co_await own_.close();
}

Task<> TunnelKeeper::keep(Gate::Pass) {
  while (!closing_) {
    news_ = false;
    co_await settle();
    Instant wake = reactor_.now() + kLookEvery;
    if (const auto retry = end_.retry_at()) wake = std::min(wake, *retry);
    if (!closing_ && !news_) (void)co_await wake_.wait_until(wake);
  }
}

// One at a time.
Task<> TunnelKeeper::settle() {
  while (settling_) co_await settled_.wait();
  if (authority_.empty() || closing_) co_return;
  settling_ = true;
  std::string problem;
  try {
    co_await bring_up();
    problem = end_.problem();
  } catch (const Error& error) {  // tidy: said to whoever asks, and tried again
    problem = error.message();
  }
  if (!problem.empty()) told_.clear();
  if (!problem.empty() && problem != problem_) kLog.warn("the tunnel's end does not run", {{"why", problem}});
  problem_ = std::move(problem);
  settling_ = false;
  settled_.notify_all();
}

// What runs here, and on which ports requests reach it.
Task<std::string> TunnelKeeper::configuration() {
  relay::TunnelConfig config{options_.credential.certificate, options_.credential.key.reveal(), authority_, {}};
  for (const auto& one : co_await host_.list("")) {
    if (one.state == Instance::State::Exited) continue;
    for (const auto& port : one.ports) {
      if (port.host_port > 0 && port.protocol == "TCP") config.instances[one.id].insert(port.host_port);
    }
  }
  co_return json::dump(relay::to_json(config));
}

Task<> TunnelKeeper::bring_up() {
  const std::string text = co_await configuration();
  if (text != written_) {
    co_await blocking_.run(reactor_, [file = options_.folder + "/tunnel.json", text] {
      files::write_file_atomically(file, text, 0600);  // it holds the certificate's key
    });
    written_ = text;
  }
  if (!co_await end_.ensure()) co_return;
  if (told_ == end_.instance() + text) co_return;
  const Instant until = reactor_.now() + kStartPatience;
  while (true) {
    std::optional<Error> failure;
    try {
      co_await tell(text);
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) break;
    if (failure->code() == ErrorCode::Invalid) throw *failure;
    const bool lives = co_await end_.ensure();
    if (!lives) co_return;
    if (reactor_.now() > until || closing_) throw *failure;
    co_await sleep_for(reactor_, kAskAgain);
  }
  if (!renewed_) {
    renewed_ = true;
    co_await end_.renew(control_, "/state", relay::program_identity("/proc/self/exe"));
  }
  const json::Value state = json::parse((co_await control_.send({.url = "/state", .timeout = kControlTimeout})).body);
  port_ = static_cast<int>(state.int_or("port", 0));
  told_ = end_.instance() + text;
  end_.forgive();
}

Task<> TunnelKeeper::tell(std::string text) {
  http::Request request{.method = "PUT",
                        .url = "/config",
                        .headers = {{"Content-Type", "application/json"}},
                        .body = std::move(text),
                        .timeout = kControlTimeout};
  const http::Response response = co_await control_.send(std::move(request));
  if (response.status != 200)
    throw Error(ErrorCode::Invalid, "the tunnel's end refuses its configuration: " + response.body.substr(0, 500));
}

Task<json::Object> TunnelKeeper::let_in(std::string authority) {
  if (authority != authority_) {
    (void)pki::life_of(authority);
    co_await blocking_.run(reactor_, [file = options_.folder + "/trust.pem", authority] {
      files::write_file_atomically(file, authority, 0600);
    });
    authority_ = authority;
    kLog.info("the tunnel is for another controller from now on", {{"authority", pki::fingerprint_of(authority)}});
  }
  co_await settle();
  std::string used;
  if (problem_.empty()) {
    const auto state = co_await control_.send({.url = "/state", .timeout = kControlTimeout});
    used = json::parse(state.body).string_or("used");
  }
  co_return json::Object{{"port", problem_.empty() ? port_ : 0},
                         {"used", used == relay::TunnelEnd::known_by(authority)},
                         {"problem", problem_}};
}

}  // namespace gantry::agent
