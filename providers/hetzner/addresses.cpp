#include "providers/hetzner/addresses.hpp"

#include "controller/base/percent.hpp"

namespace gantry::providers::hetzner {

Task<std::vector<ReservedAddress>> list_addresses(Api& api) {
  std::vector<ReservedAddress> addresses;
  for (const auto& said : co_await api.list("/floating_ips", "floating_ips")) {
    // Of IPv6 it is a whole network: 2001:db8::/64.
    ReservedAddress address{.id = rest::id_of(said), .address = said.string_or("ip")};
    if (const json::Value* server = said.find("server"); server && server->is_int())
      address.server = std::to_string(server->as_int());
    addresses.push_back(std::move(address));
  }
  co_return addresses;
}

Task<> assign_address(Api& api, std::string id, std::string server) {
  co_await api.send("POST", "/floating_ips/" + percent_encode(id) + "/actions/assign",
                    "/floating_ips/{id}/actions/assign",
                    json::Object{{"server", rest::number_of(server, "a server's id at Hetzner")}}, server);
}

}  // namespace gantry::providers::hetzner
