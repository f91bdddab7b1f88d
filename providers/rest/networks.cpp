#include "providers/rest/networks.hpp"

namespace gantry::providers::rest {
namespace {

constexpr Duration kGather = std::chrono::seconds(1);
constexpr const char* kAll = "all";

}  // namespace

Networks::Networks(Calls& calls, std::string path, std::string name)
    : calls_(calls),
      path_(std::move(path)),
      name_(std::move(name)),
      listing_(calls.client.reactor(), kGather, [this](auto) { return fetch(); }) {}

Task<Networks::Listing::Found> Networks::fetch() {
  Listing::Found found;
  found.emplace(kAll, co_await calls_.list(path_, name_));
  co_return found;
}

Task<json::Value> Networks::find(std::string wanted) {
  const auto all = co_await listing_.ask(kAll);
  std::string there;
  for (const auto& network : all.value_or(json::Array{})) {
    const std::string name = network.string_or("name");
    if (name == wanted || id_of(network) == wanted) co_return network;
    there += (there.empty() ? "" : ", ") + name;
  }
  throw Error(ErrorCode::Invalid, "spec.network: the account has no network \"" + wanted + "\"; " +
                                      (there.empty() ? "it has none" : "there are " + there));
}

}  // namespace gantry::providers::rest
