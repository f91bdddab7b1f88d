// The project whole: what providers/provider.hpp promises, put together from its parts.
#include "providers/hetzner/addresses.hpp"
#include "providers/hetzner/catalogue.hpp"
#include "providers/hetzner/firewalls.hpp"
#include "providers/hetzner/hetzner.hpp"
#include "providers/hetzner/images.hpp"
#include "providers/hetzner/servers.hpp"

namespace gantry::providers::hetzner {
namespace {

constexpr Capabilities kCapabilities{.snapshots = true,
                                     .image_regions = false,
                                     .image_of_running = true,
                                     .firewall = true,
                                     .networks = true,
                                     .reserved_addresses = true,
                                     .resize = true,
                                     .resize_needs_off = true,
                                     .rebuild = true,
                                     .user_data = true,
                                     .user_data_max = 32 << 10,
                                     .unique_names = true,
                                     .prices = true,
                                     .sizes_required = true,
                                     .visible_within = std::chrono::seconds(20),
                                     .poll_every = std::chrono::seconds(3)};

std::string_view word_of(Provider::Power power) {
  switch (power) {
    case Provider::Power::On:
      return "poweron";
    case Provider::Power::Shutdown:
      return "shutdown";
    case Provider::Power::Off:
      break;
  }
  return "poweroff";
}

class Hetzner final : public Provider {
 public:
  Hetzner(const ProviderParts& parts, const ProviderSettings& settings)
      : name_(settings.name), api_(parts, settings), servers_(api_), images_(api_), firewalls_(api_) {}

  const Capabilities& capabilities() const override { return kCapabilities; }

  // A token is one project's, and nothing says which; what it may not do shows when it is tried.
  Task<Account> account() override {
    co_await api_.get("/locations?per_page=1", "/locations");
    co_return Account{.name = "the project of the token of " + name_, .servers_max = {}, .problem = {}};
  }

  Task<Inventory> observe() override {
    Inventory inventory;
    inventory.servers = co_await servers_.list(&inventory.calls);
    inventory.images = co_await images_.list(&inventory.calls);
    inventory.firewalls = co_await firewalls_.list(&inventory.calls);
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
    return api_.poll(std::move(operations));
  }

  Task<Operation> create_server(ServerOrder order) override { return servers_.create(std::move(order)); }
  Task<Operation> remove_server(std::string id) override { return servers_.remove(std::move(id)); }
  Task<Operation> power(std::string id, Power power) override {
    return servers_.act(std::move(id), std::string(word_of(power)));
  }
  // Its disk stays as it is, so that the way back stays open.
  Task<Operation> resize(std::string id, std::string size) override {
    return servers_.act(std::move(id), "change_type",
                        json::Object{{"server_type", std::move(size)}, {"upgrade_disk", false}});
  }
  Task<Operation> rebuild(std::string id, ServerOrder order) override {
    return servers_.act(std::move(id), "rebuild", json::Object{{"image", std::move(order.image)}});
  }
  Task<> mark_server(std::string id, Mark mark) override {
    return api_.label("server", std::move(id), std::move(mark));
  }

  Task<> put_firewall(Mark mark, std::string name, std::vector<FirewallRule> rules) override {
    return firewalls_.put(std::move(mark), std::move(name), std::move(rules));
  }
  Task<> remove_firewall(std::string id) override {
    const json::Value firewall = co_await firewalls_.find(id);
    if (firewall.is_null()) co_return;
    if (const auto mark = mark_of(firewall); mark && !(co_await servers_.of(*mark)).empty())
      throw Error(ErrorCode::Conflict, "hetzner: firewall " + id + " still protects a server");
    co_await firewalls_.remove(id);
  }

  Task<std::vector<ReservedAddress>> reserved_addresses() override { return list_addresses(api_); }
  Task<> assign_address(std::string id, std::string server) override {
    return hetzner::assign_address(api_, std::move(id), std::move(server));
  }

  Task<Operation> create_image(ImageOrder order) override { return images_.create(std::move(order)); }
  Task<Operation> copy_image(std::string id, std::string) override { co_return Operation{std::move(id), {}}; }
  Task<> remove_image(std::string id) override { return images_.remove(std::move(id)); }
  Task<> mark_image(std::string id, Mark mark) override { return api_.label("image", std::move(id), std::move(mark)); }

 private:
  std::string name_;
  Api api_;
  Servers servers_;
  Images images_;
  Firewalls firewalls_;
};

}  // namespace

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings) {
  return std::make_unique<Hetzner>(parts, settings);
}

}  // namespace gantry::providers::hetzner
