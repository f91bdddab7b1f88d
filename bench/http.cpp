// The HTTP layer alone, for wrk and gantry_load: a handler that answers at once.
//   gantry_http_bench [--tls] [--port N] [--bytes N]
// Prints its address and, under TLS, nothing is verified by the load generators. Ends with SIGTERM.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "controller/api/http/server.hpp"
#include "controller/base/pki.hpp"

namespace {

using namespace gantry;

class Constant final : public api::Handler {
 public:
  explicit Constant(std::size_t bytes) : body_(bytes, 'x') {}
  Task<api::HttpResponse> handle(api::HttpRequest) override {
    api::HttpResponse response;
    response.body.emplace_back(body_);
    co_return response;
  }

 private:
  std::string body_;
};

}  // namespace

int main(int count, char** arguments) {
  api::http::ServerOptions options;
  options.port = 0;
  std::size_t bytes = 100;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--port" && i + 1 < count) options.port = static_cast<std::uint16_t>(std::atoi(arguments[++i]));
    if (word == "--bytes" && i + 1 < count) bytes = static_cast<std::size_t>(std::atol(arguments[++i]));
    if (word != "--tls") continue;
    const pki::Life life{system_clock().wall() - std::chrono::hours(1), system_clock().wall() + std::chrono::hours(24)};
    const auto authority = pki::make_authority("bench", life);
    const auto serving = pki::issue_serving(authority, pki::serving_names(options.address), life);
    options.tls = {.certificate = serving.certificate, .key = serving.key, .client_ca = authority.certificate};
  }
  Reactor reactor("front", system_clock());
  Constant handler(bytes);
  const api::Authenticator authenticator({.open_paths = {""}});
  api::http::Server server(reactor, handler, authenticator, options);
  server.listen();
  std::cout << (options.tls ? "https" : "http") << "://" << options.address << ":" << server.port() << "/\n"
            << std::flush;
  std::signal(SIGTERM, [](int) { std::_Exit(0); });
  reactor.run();
}
