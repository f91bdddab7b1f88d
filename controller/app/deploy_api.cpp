#include "controller/app/deploy_api.hpp"

#include "controller/base/digest.hpp"

namespace gantry::app {
namespace {

constexpr std::size_t kPiece = 2 << 20;

Task<std::string> store_in(providers::source::UploadStore& uploads, std::string archive) {
  const std::string digest = sha256_hex(archive);
  // The same may have been sent before, or be on its way.
  for (std::int64_t at = co_await uploads.received(digest); at < static_cast<std::int64_t>(archive.size());)
    at = co_await uploads.add(digest, at, archive.substr(static_cast<std::size_t>(at), kPiece));
  co_return co_await uploads.finish(digest);
}

}  // namespace

DeployApi::DeployApi(api::Handler& next, api::Api& api, Reactor& front, Reactor& loop, Random& random,
                     providers::source::UploadStore& uploads, providers::agent::HostSet& hosts)
    : front_(front),
      loop_(loop),
      uploads_(uploads),
      hosts_(hosts),
      client_(front, front, api.plane()),
      service_({.reactor = front,
                .client = client_,
                .random = random,
                .keep_code = [this](std::string archive) { return keep(std::move(archive)); },
                .ask_agent =
                    [this](std::string server, std::string path, json::Value body, Duration limit) {
                      return ask_agent(std::move(server), std::move(path), std::move(body), limit);
                    }}),
      routes_(next, service_, api) {}

Task<std::string> DeployApi::keep(std::string archive) {
  co_return co_await loop_.call(front_, [this, &archive] { return store_in(uploads_, std::move(archive)); });
}

Task<json::Value> DeployApi::ask_agent(std::string server, std::string path, json::Value body, Duration limit) {
  co_return co_await loop_.call(front_, [this, &server, &path, &body, limit] {
    return hosts_.ask(std::move(server), std::move(path), std::move(body), limit);
  });
}

}  // namespace gantry::app
