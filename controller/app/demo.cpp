#include "controller/app/demo.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "controller/api/http/server.hpp"
#include "controller/base/files.hpp"
#include "controller/base/signals.hpp"

namespace gantry::app {
namespace {

std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

void fill_in(std::string& page, const std::string& name, const std::string& value) {
  const std::string hole = "{{" + name + "}}";
  const std::string text = escaped(value);
  for (auto at = page.find(hole); at != std::string::npos; at = page.find(hole, at + text.size()))
    page.replace(at, hole.size(), text);
}

class Page final : public api::Handler {
 public:
  explicit Page(Reactor& reactor) : reactor_(reactor) {
    try {
      page_ = files::read_file("page.html", 1 << 20);
    } catch (const Error&) {  // any folder will do: the demo has a page of its own
      page_ = "{{greeting}}\ninstance {{instance}}, replica {{slot}}, process {{pid}}\nsecret: {{secret}}\n";
      type_ = "text/plain; charset=utf-8";
    }
    fill_in(page_, "greeting", variable("GREETING", "Hello"));
    fill_in(page_, "instance", variable("GANTRY_INSTANCE", "(not run by Gantry)"));
    fill_in(page_, "slot", variable("GANTRY_SLOT", "-"));
    fill_in(page_, "pid", std::to_string(::getpid()));
    // Only that it arrived, never the value: this page is public.
    const std::string secret = variable("API_KEY", "");
    fill_in(page_, "secret",
            secret.empty() ? "none was given" : std::to_string(secret.size()) + " characters have arrived");
  }

  Task<api::HttpResponse> handle(api::HttpRequest request) override {
    api::HttpResponse response;
    response.content_type = type_;
    if (request.path == "/healthz") {
      response.content_type = "text/plain";
      response.body.emplace_back(std::string("ok\n"));
    } else if (request.path == "/slow") {
      // Takes its time, so that one can watch a deploy wait for it.
      const std::string* seconds = request.parameter("seconds");
      const long wanted = seconds ? std::strtol(seconds->c_str(), nullptr, 10) : 5;
      const std::chrono::seconds patience(std::clamp(wanted, 0L, 60L));
      co_await sleep_for(reactor_, patience);
      response.content_type = "text/plain";
      response.body.emplace_back("took " + std::to_string(patience.count()) + " s\n");
    } else if (request.path == "/") {
      response.body.emplace_back(page_);
    } else {
      response.status = 404;
      response.content_type = "text/plain";
      response.body.emplace_back(std::string("not found\n"));
    }
    co_return response;
  }

 private:
  Reactor& reactor_;
  std::string page_;
  std::string type_ = "text/html; charset=utf-8";
};

Task<> serve(Reactor& reactor, api::http::Server& server, Signals& signals) {
  co_await signals.wait();
  co_await server.shutdown(std::chrono::seconds(5));
  reactor.stop();
}

}  // namespace

int run_demo() {
  const std::string port = variable("PORT", "8080");
  Reactor reactor("demo", system_clock());
  Page page(reactor);
  api::Authenticator everybody({.open_paths = {""}});
  api::http::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10));
  api::http::Server server(reactor, page, everybody, options);
  server.listen();
  std::cout << "gantry demo: http://127.0.0.1:" << server.port() << std::endl;
  Signals signals(reactor);
  reactor.spawn(serve(reactor, server, signals));
  reactor.run();
  return 0;
}

}  // namespace gantry::app
