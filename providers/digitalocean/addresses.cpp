#include "providers/digitalocean/addresses.hpp"

#include "controller/base/percent.hpp"

namespace gantry::providers::digitalocean {

Task<std::vector<ReservedAddress>> list_addresses(Api& api) {
  std::vector<ReservedAddress> addresses;
  for (const auto& said : co_await api.list("/v2/reserved_ips", "reserved_ips", "ip")) {
    ReservedAddress address{.id = rest::id_of(said, "ip"), .address = rest::id_of(said, "ip")};
    if (const json::Value* region = said.find("region"); region && region->is_object())
      address.region = region->string_or("slug");
    // Of nobody: null, or an empty object.
    if (const json::Value* droplet = said.find("droplet"); droplet && droplet->is_object() && droplet->find("id"))
      address.server = rest::id_of(*droplet);
    address.busy = said.bool_or("locked", false);
    addresses.push_back(std::move(address));
  }
  co_return addresses;
}

Task<> assign_address(Api& api, std::string address, std::string droplet) {
  co_await api.send("POST", "/v2/reserved_ips/" + percent_encode(address) + "/actions", "/v2/reserved_ips/{ip}/actions",
                    json::Object{{"type", "assign"}, {"droplet_id", rest::number_of(droplet, "a droplet's id")}},
                    droplet);
}

}  // namespace gantry::providers::digitalocean
