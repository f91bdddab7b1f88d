#include "tests/emulators/server.hpp"

#include "controller/base/percent.hpp"

namespace gantry::emulators {
namespace {

// The emulator checks tokens itself, as its vendor does.
api::Authenticator::Options open_to_all() { return {.open_paths = {"/v1", "/v2"}}; }

std::string target_of(const api::HttpRequest& request) {
  std::string target;
  for (const auto& segment : request.segments) target += "/" + percent_encode(segment);
  for (std::size_t i = 0; i < request.query.size(); ++i)
    target +=
        (i == 0 ? "?" : "&") + percent_encode(request.query[i].first) + "=" + percent_encode(request.query[i].second);
  return target;
}

Task<> shut_down(api::http::Server& server, std::promise<void>& done) {
  co_await server.shutdown(std::chrono::milliseconds(100));
  done.set_value();
}

}  // namespace

class EmulatorServer::Door final : public api::Handler {
 public:
  Door(Reactor& reactor, Emulator& emulator) : reactor_(reactor), emulator_(emulator) {}

  Task<api::HttpResponse> handle(api::HttpRequest request) override {
    const http::Request asked{.method = request.method,
                              .url = target_of(request),
                              .headers = request.headers,
                              .body = request.body,
                              .more = {}};
    auto answer = emulator_.exchange(asked);
    api::HttpResponse response;
    if (!answer) {
      // Longer than anybody waits.
      co_await sleep_for(reactor_, std::chrono::minutes(2));
      response.status = 504;
      co_return response;
    }
    response.status = answer->status;
    for (auto& [name, value] : answer->headers) {
      if (name == "Content-Type") {
        response.content_type = value;
      } else {
        response.headers.emplace_back(name, value);
      }
    }
    if (!answer->body.empty()) response.body.emplace_back(std::move(answer->body));
    co_return response;
  }

 private:
  Reactor& reactor_;
  Emulator& emulator_;
};

EmulatorServer::EmulatorServer(Reactor& reactor, Emulator& emulator)
    : reactor_(reactor),
      emulator_(emulator),
      strangers_(open_to_all()),
      door_(std::make_unique<Door>(reactor, emulator)) {
  api::http::ServerOptions options;
  options.port = 0;
  server_ = std::make_unique<api::http::Server>(reactor_, *door_, strangers_, options);
  server_->listen();
  port_ = server_->port();
  thread_ = std::thread([this] { reactor_.run(); });
}

EmulatorServer::~EmulatorServer() {
  std::promise<void> done;
  reactor_.spawn(shut_down(*server_, done));
  done.get_future().wait_for(std::chrono::seconds(5));
  reactor_.stop();
  thread_.join();
}

}  // namespace gantry::emulators
