// Networks of Apps, one each.
#include <functional>

#include "controller/base/error.hpp"
#include "providers/local/docker_format.hpp"
#include "providers/local/docker_host.hpp"

namespace gantry::providers::local {
namespace {

// Docker's own pools hold about thirty networks. Further ones are taken from a range that nobody routes (RFC 2544).
constexpr std::size_t kSubnets = 512;
constexpr std::size_t kTries = 32;

std::string subnet(std::size_t number) {
  return "198." + std::to_string(18 + number / 256) + "." + std::to_string(number % 256) + ".0/24";
}

}  // namespace

Task<> DockerHost::make_network(const InstanceSpec& spec) {
  const std::string doing = "making the network of " + spec.owner_namespace + "/" + spec.owner_name;
  const std::size_t first = std::hash<std::string>()(spec.owner_uid) % kSubnets;
  std::optional<Error> failure;
  for (std::size_t attempt = 0; attempt <= kTries; ++attempt) {
    const std::string range = attempt == 0 ? std::string() : subnet((first + attempt) % kSubnets);
    failure.reset();
    try {
      co_await engine_.call(doing, "POST", "/networks/create", network_body(spec, options_.host_id, range));
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure || failure->code() == ErrorCode::Conflict) co_return;  // there already
    const std::string& why = failure->message();
    if (why.find("already exists") != std::string::npos) co_return;
    const bool full = why.find("non-overlapping") != std::string::npos || why.find("overlaps") != std::string::npos;
    if (!full) break;
  }
  throw *failure;
}

// Once nobody of the App is left. What cannot be removed now goes with the next one, or at the next start.
Task<> DockerHost::remove_network(std::string owner_uid) {
  if (!(co_await list(owner_uid)).empty()) co_return;
  try {
    co_await engine_.call("removing a network", "DELETE", "/networks/" + network_name(owner_uid));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) log_.warn("a network could not be removed", {{"error", error.what()}});
  }
}

}  // namespace gantry::providers::local
