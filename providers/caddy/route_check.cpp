#include "providers/caddy/route_check.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/tls.hpp"

namespace gantry::providers::caddy {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

std::string name_for(const RouteRule& rule) {
  return rule.host.starts_with('*') ? "gantry-check" + rule.host.substr(1) : rule.host;
}

bool has_word(const std::string& list, const std::string& word) {
  for (std::size_t at = list.find(word); at != std::string::npos; at = list.find(word, at + 1)) {
    const bool begins = at == 0 || list[at - 1] == ' ' || list[at - 1] == ',';
    const std::size_t end = at + word.size();
    if (begins && (end == list.size() || list[end] == ',' || list[end] == ' ')) return true;
  }
  return false;
}

// Empty: as declared.
std::string judged(const RouteCors& cors, const std::string& origin, const std::string& method,
                   const http::Response& response) {
  if (response.status < 200 || response.status > 299)
    return "the preflight was answered with " + std::to_string(response.status);
  const std::string allowed = response.header("access-control-allow-origin");
  if (allowed != origin && !(allowed == "*" && !cors.credentials))
    return "the preflight of " + origin + " was answered with the origin \"" + allowed + "\"";
  if (const std::string methods = response.header("access-control-allow-methods"); !has_word(methods, method))
    return "the preflight allows the methods \"" + methods + "\", not " + method;
  if (cors.credentials && response.header("access-control-allow-credentials") != "true")
    return "the preflight does not allow credentials";
  return {};
}

Task<> preflight(http::Connection& connection, const RouteRule& rule, const std::string& authority, RouteCheck& check) {
  const RouteCors& cors = *rule.cors;
  const bool anybody = std::ranges::find(cors.origins, "*") != cors.origins.end();
  const std::string origin = anybody || cors.origins.empty() ? "https://gantry-check.example" : cors.origins.front();
  const std::string method = cors.methods.empty() ? "GET" : cors.methods.front();
  http::Request request{.method = "OPTIONS",
                        .url = rule.path,
                        .headers = {{"Host", authority},
                                    {"Origin", origin},
                                    {"Access-Control-Request-Method", method},
                                    {"Access-Control-Request-Headers", "content-type"}},
                        .body = {},
                        .timeout = kPatience,
                        .body_max = 64 << 10};
  const http::Response response = co_await connection.exchange(std::move(request));
  check.cors_message = judged(cors, origin, method, response);
  check.cors = check.cors_message.empty();
  if (*check.cors) check.cors_message = "a preflight of " + origin + " was answered as declared";
}

}  // namespace

Task<RouteCheck> check_route(Reactor& reactor, RouteRule rule, CheckTarget target) {
  RouteCheck check{.host = rule.host,
                   .path = rule.path,
                   .certificate = {},
                   .certificate_message = {},
                   .cors = {},
                   .cors_message = {}};
  const bool encrypted = rule.tls.mode != RouteTls::Mode::None;
  const std::string name = name_for(rule);
  http::Endpoint endpoint{.kind = encrypted ? http::Endpoint::Kind::Tls : http::Endpoint::Kind::Tcp,
                          .host = "127.0.0.1",
                          .port = static_cast<std::uint16_t>(encrypted ? target.https_port : target.http_port),
                          .tls_name = name};
  std::shared_ptr<http::Connection> connection;
  std::optional<Error> failure;
  std::optional<tls::Context> context;
  try {
    if (encrypted) context.emplace(tls::Context::Client{.ca = target.authority, .insecure = !target.verify});
    connection =
        co_await http::Connection::open(reactor, endpoint, context ? &*context : nullptr, reactor.now() + kPatience);
    if (encrypted) {
      check.certificate = true;
      check.certificate_message = "a certificate for " + name + " is shown";
    }
    if (rule.cors) co_await preflight(*connection, rule, name, check);
  } catch (const Error& error) {
    failure = error;
  }
  if (connection) connection->close();
  if (failure && !connection && encrypted) {
    check.certificate = false;
    check.certificate_message = failure->message();
  }
  if (failure && rule.cors) {
    check.cors = false;
    check.cors_message = "no preflight could be made: " + failure->message();
  }
  co_return check;
}

}  // namespace gantry::providers::caddy
