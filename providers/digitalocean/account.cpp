// The account whole: what providers/provider.hpp promises, put together from its parts.
#include "providers/digitalocean/addresses.hpp"
#include "providers/digitalocean/catalogue.hpp"
#include "providers/digitalocean/digitalocean.hpp"
#include "providers/digitalocean/firewalls.hpp"
#include "providers/digitalocean/images.hpp"
#include "providers/digitalocean/servers.hpp"
#include "providers/digitalocean/traffic.hpp"

namespace gantry::providers::digitalocean {
namespace {

constexpr Capabilities kCapabilities{.snapshots = true,
                                     .image_regions = true,
                                     .image_of_running = true,
                                     .firewall = true,
                                     .networks = true,
                                     .reserved_addresses = true,
                                     .resize = true,
                                     .resize_needs_off = true,
                                     .rebuild = true,
                                     .user_data = true,
                                     .user_data_max = 64 << 10,
                                     .unique_names = false,
                                     .prices = true,
                                     .sizes_required = true,
                                     // Droplets were seen to be listed only after a minute.
                                     .visible_within = std::chrono::seconds(60),
                                     .poll_every = std::chrono::seconds(3)};

std::string_view word_of(Provider::Power power) {
  switch (power) {
    case Provider::Power::On:
      return "power_on";
    case Provider::Power::Shutdown:
      return "shutdown";
    case Provider::Power::Off:
      break;
  }
  return "power_off";
}

class DigitalOcean final : public Provider {
 public:
  DigitalOcean(const ProviderParts& parts, const ProviderSettings& settings)
      : api_(parts, settings), servers_(api_), images_(api_), firewalls_(api_), traffic_(api_) {}

  const Capabilities& capabilities() const override { return kCapabilities; }

  Task<Account> account() override {
    const json::Value body = co_await api_.get("/v2/account", "/v2/account");
    const json::Value& said = rest::part(body, "account");
    Account account{.name = said.string_or("email"),
                    .servers_max = static_cast<int>(said.int_or("droplet_limit", 0)),
                    .problem = {}};
    account.id = said.string_or("uuid");
    if (const json::Value* team = said.find("team"); team && team->is_object()) {
      account.name += " (" + team->string_or("name") + ")";
      // What lives there is the team's, whoever's token it is.
      account.id = team->string_or("uuid", account.id);
    }
    if (const std::string status = said.string_or("status"); status == "locked")
      account.problem = status + ": " + said.string_or("status_message");
    co_return account;
  }

  Task<Inventory> observe() override {
    Inventory inventory;
    inventory.servers = co_await servers_.list(&inventory.calls);
    inventory.images = co_await images_.list(&inventory.calls);
    inventory.firewalls = co_await firewalls_.list(&inventory.calls);
    co_await traffic_.fill(&inventory);  // last: how many calls it may take depends on those before
    co_return inventory;
  }

  Task<Catalogue> catalogue() override { return read_catalogue(api_); }
  std::optional<RateLimit> rate_limit() const override { return api_.client.rate_limit(); }
  std::vector<CallRecord> calls(std::size_t most) const override { return api_.client.calls(most); }
  std::vector<CallRecord> calls_about(const std::vector<std::string>& things, std::size_t most) const override {
    return api_.client.calls_about(things, most);
  }

  Task<std::vector<CloudServer>> servers_of(Mark mark) override { return servers_.of(std::move(mark)); }
  Task<std::vector<CloudImage>> images_of(Mark mark) override { return images_.of(std::move(mark)); }
  Task<std::optional<CloudServer>> find_server(std::string id) override { return servers_.find(std::move(id)); }
  Task<std::optional<CloudImage>> find_image(std::string id) override { return images_.find(std::move(id)); }
  Task<std::vector<Progress>> poll(std::vector<std::string> operations) override {
    return servers_.poll(std::move(operations));
  }

  Task<Operation> create_server(ServerOrder order) override { return servers_.create(std::move(order)); }
  Task<Operation> remove_server(std::string id) override { return servers_.remove(std::move(id)); }
  Task<Operation> power(std::string id, Power power) override {
    return servers_.act(std::move(id), {{"type", word_of(power)}});
  }
  // Its disk stays as it is, so that the way back stays open.
  Task<Operation> resize(std::string id, std::string size) override {
    return servers_.act(std::move(id), {{"type", "resize"}, {"size", std::move(size)}, {"disk", false}});
  }
  Task<Operation> rebuild(std::string id, ServerOrder order) override {
    return servers_.act(std::move(id), {{"type", "rebuild"}, {"image", image_word(order)}});
  }
  Task<> mark_server(std::string id, Mark mark) override { return api_.tag("droplet", std::move(id), std::move(mark)); }

  Task<> put_firewall(Mark mark, std::string, std::vector<FirewallRule> rules) override {
    return firewalls_.put(std::move(mark), std::move(rules));
  }
  Task<> remove_firewall(std::string id) override {
    const auto mark = co_await firewalls_.mark_of(id);
    if (mark && !(co_await servers_.of(*mark)).empty())
      throw Error(ErrorCode::Conflict, "digitalocean: firewall " + id + " still protects a server");
    co_await firewalls_.remove(id);
  }

  Task<std::vector<ReservedAddress>> reserved_addresses() override { return list_addresses(api_); }
  Task<> assign_address(std::string id, std::string server) override {
    return digitalocean::assign_address(api_, std::move(id), std::move(server));
  }

  Task<Operation> create_image(ImageOrder order) override {
    const std::string name = image_name(order);
    return servers_.act(std::move(order.server), {{"type", "snapshot"}, {"name", name}});
  }
  Task<Operation> copy_image(std::string id, std::string region) override {
    return images_.copy(std::move(id), std::move(region));
  }
  Task<> remove_image(std::string id) override { return images_.remove(std::move(id)); }
  Task<> mark_image(std::string id, Mark mark) override { return api_.tag("image", std::move(id), std::move(mark)); }

 private:
  Api api_;
  Servers servers_;
  Images images_;
  Firewalls firewalls_;
  Traffic traffic_;
};

}  // namespace

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings) {
  return std::make_unique<DigitalOcean>(parts, settings);
}

}  // namespace gantry::providers::digitalocean
