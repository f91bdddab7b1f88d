#include "providers/incus/incus.hpp"

#include <algorithm>
#include <charconv>

#include "controller/base/files.hpp"
#include "controller/base/percent.hpp"
#include "providers/incus/incus_api.hpp"

namespace gantry::providers::incus {
namespace {

using State = CloudServer::State;

constexpr Duration kForceStop = std::chrono::seconds(20);
constexpr std::string_view kUid = "user.gantry-uid";
constexpr std::string_view kRole = "user.gantry-role";
constexpr std::string_view kSize = "user.gantry-size";

std::string instance_path(const std::string& name) { return "/1.0/instances/" + percent_encode(name); }

// "c2-m4": processors and GiB of memory, as the daemon's own command line has them.
struct Size {
  int cpus = 0;
  std::int64_t memory_bytes = 0;
};
std::optional<Size> size_of(std::string_view name) {
  Size size;
  double gib = 0;
  const std::size_t dash = name.find("-m");
  if (!name.starts_with('c') || dash == std::string_view::npos) return std::nullopt;
  const std::string_view cpus = name.substr(1, dash - 1);
  const std::string_view memory = name.substr(dash + 2);
  const auto whole = [](std::string_view text, auto& number) {
    return std::from_chars(text.data(), text.data() + text.size(), number).ptr == text.data() + text.size() &&
           !text.empty();
  };
  if (!whole(cpus, size.cpus) || !whole(memory, gib) || size.cpus < 1 || gib <= 0) return std::nullopt;
  size.memory_bytes = static_cast<std::int64_t>(gib * (1 << 30));
  return size;
}

std::optional<Mark> mark_in(const json::Value& config, std::string_view uid, std::string_view role) {
  const std::string owner = config.string_or(uid);
  if (owner.empty()) return std::nullopt;
  return Mark{owner, config.string_or(role)};
}

State state_of(const std::string& word) {
  if (word == "Running") return State::Running;
  if (word == "Stopped") return State::Off;
  if (word == "Starting") return State::Starting;
  if (word == "Stopping" || word == "Aborting") return State::Stopping;
  return State::Other;
}

// Whether the interface is one of the instance's own network cards: it may have made others inside (docker0), where
// nobody outside reaches it. A card is called as its device, unless that says otherwise.
bool is_card(const json::Value& instance, const std::string& interface) {
  const json::Value* devices = instance.find("expanded_devices");
  if (!devices || !devices->is_object()) return false;
  return std::ranges::any_of(devices->as_object(), [&](const json::Member& device) {
    return device.value.string_or("type") == "nic" && device.value.string_or("name", device.key) == interface;
  });
}

CloudServer server_of(const json::Value& instance) {
  CloudServer server;
  server.id = server.name = instance.string_or("name");
  const json::Value* config = instance.find("config");
  const json::Value none{json::Object{}};
  if (!config) config = &none;
  server.mark = mark_in(*config, kUid, kRole);
  server.state_text = instance.string_or("status");
  server.state = state_of(server.state_text);
  if (server.state == State::Off && config->string_or("volatile.last_state.power").empty()) server.state = State::New;
  server.size = config->string_or(kSize);
  server.image = server.image_id = config->string_or("volatile.base_image");
  if (const auto size = size_of(server.size)) {
    server.cpu_millis = size->cpus * 1000;
    server.memory_bytes = size->memory_bytes;
  }
  server.created = parse_time(instance.string_or("created_at"));
  const json::Value* networks = instance.at({"state", "network"});
  if (!networks || !networks->is_object()) return server;
  for (const auto& [name, network] : networks->as_object()) {
    const json::Value* addresses = network.find("addresses");
    if (!is_card(instance, name) || !addresses || !addresses->is_array()) continue;
    for (const auto& address : addresses->as_array()) {
      if (address.string_or("scope") == "global")
        server.addresses.push_back({CloudAddress::Reach::Private, address.string_or("address")});
    }
  }
  return server;
}

CloudImage image_of(const json::Value& from) {
  CloudImage image;
  image.id = from.string_or("fingerprint");
  image.size_bytes = from.int_or("size", 0);
  image.architecture = from.string_or("architecture");
  image.created = parse_time(from.string_or("uploaded_at"));
  if (const json::Value* properties = from.find("properties"); properties && properties->is_object()) {
    image.mark = mark_in(*properties, "gantry-uid", "gantry-role");
    image.content = properties->string_or("gantry-content");
    image.name = properties->string_or("gantry-name");
  }
  return image;
}

class Incus final : public Provider {
 public:
  Incus(Reactor& reactor, const std::string& socket) : api_(reactor, socket) {
    can_.snapshots = can_.resize = true;
    can_.resize_needs_off = false;
    can_.user_data_max = 1 << 20;
    can_.unique_names = true;
    can_.sizes_required = false;
    can_.visible_within = std::chrono::seconds(2);
    can_.poll_every = std::chrono::seconds(1);
  }

  const Capabilities& capabilities() const override { return can_; }
  std::vector<CallRecord> calls(std::size_t most) const override { return api_.calls(most); }
  std::vector<CallRecord> calls_about(const std::vector<std::string>& things, std::size_t most) const override {
    return api_.calls_about(things, most);
  }

  Task<Account> account() override {
    const json::Value host = co_await api_.get("/1.0");
    Account account;
    account.name = host.text_at({"environment", "server"}) + " " + host.text_at({"environment", "server_version"}) +
                   " on " + host.text_at({"environment", "server_name"});
    account.id = host.text_at({"environment", "certificate_fingerprint"});
    if (host.string_or("auth") != "trusted")
      account.problem = "the daemon does not trust whoever asks at " + api_.socket();
    co_return account;
  }

  Task<Inventory> observe() override {
    Inventory all;
    const json::Value operations = co_await api_.get("/1.0/operations?recursion=1");
    const json::Value instances = co_await api_.get("/1.0/instances?recursion=2");
    const json::Value images = co_await api_.get("/1.0/images?recursion=1");
    all.calls = 3;
    if (!instances.is_array() || !images.is_array())
      throw Error(ErrorCode::Unavailable, "the daemon's listing is no list");
    const bool publishing = publishes(operations);
    for (const auto& instance : instances.as_array()) {
      CloudServer server = server_of(instance);
      // An operation that takes an image does not say of which instance.
      const bool perhaps = publishing && server.mark && server.state == State::Off;
      server.busy = perhaps || works_on(operations, server.id);
      all.servers.push_back(std::move(server));
    }
    for (const auto& image : images.as_array()) all.images.push_back(image_of(image));
    co_return all;
  }

  Task<Catalogue> catalogue() override {
    Catalogue catalogue;
    for (const int cpus : {1, 2, 4, 8}) {
      for (const char* gib : {"0.25", "0.5", "1", "2", "4", "8", "16"}) {
        SizeOffer offer;
        offer.name = "c" + std::to_string(cpus) + "-m" + gib;
        offer.cpus = cpus;
        offer.memory_bytes = size_of(offer.name)->memory_bytes;
        offer.places.push_back({});
        catalogue.sizes.push_back(std::move(offer));
      }
    }
    const json::Value images = co_await api_.get("/1.0/images?recursion=1");
    if (!images.is_array()) co_return catalogue;
    for (const auto& image : images.as_array()) {
      const json::Value* aliases = image.find("aliases");
      if (!aliases || !aliases->is_array()) continue;
      for (const auto& alias : aliases->as_array()) {
        ImageOffer offer;
        offer.name = alias.string_or("name");
        offer.id = image.string_or("fingerprint");
        offer.architecture = image.string_or("architecture");
        catalogue.images.push_back(std::move(offer));
      }
    }
    co_return catalogue;
  }

  Task<std::vector<CloudServer>> servers_of(Mark mark) override {
    std::vector<CloudServer> some;
    const Inventory all = co_await observe();
    std::ranges::copy_if(all.servers, std::back_inserter(some),
                         [&](const auto& server) { return server.mark == mark; });
    co_return some;
  }
  Task<std::vector<CloudImage>> images_of(Mark mark) override {
    std::vector<CloudImage> some;
    const Inventory all = co_await observe();
    std::ranges::copy_if(all.images, std::back_inserter(some), [&](const auto& image) { return image.mark == mark; });
    co_return some;
  }
  Task<std::optional<CloudServer>> find_server(std::string id) override {
    const auto found = co_await api_.find(instance_path(id) + "?recursion=1");
    co_return found ? std::optional<CloudServer>(server_of(*found)) : std::nullopt;
  }
  Task<std::optional<CloudImage>> find_image(std::string id) override {
    const auto found = co_await api_.find("/1.0/images/" + percent_encode(id));
    co_return found ? std::optional<CloudImage>(image_of(*found)) : std::nullopt;
  }

  Task<std::vector<Progress>> poll(std::vector<std::string> operations) override {
    std::vector<Progress> all;
    for (const auto& id : operations) {
      Progress progress;
      progress.id = id;
      if (const auto found = co_await api_.find("/1.0/operations/" + percent_encode(id))) {
        const auto code = found->int_or("status_code", 0);
        progress.problem = found->string_or("err");
        progress.state = code == 200   ? Progress::State::Done
                         : code >= 400 ? Progress::State::Failed
                                       : Progress::State::Running;
      }
      all.push_back(std::move(progress));
    }
    co_return all;
  }

  // It is made New: whoever asked for it starts it when it is seen.
  Task<Operation> create_server(ServerOrder order) override {
    if (const auto there = co_await api_.find(instance_path(order.name))) {
      if (server_of(*there).mark == order.mark) co_return Operation{order.name, {}};
      throw Error(ErrorCode::Invalid, "there is an instance \"" + order.name + "\" already, and it is not ours");
    }
    json::Object config = limits_of(order.size);
    config.set(kUid, order.mark.uid);
    config.set(kRole, order.mark.role);
    if (!order.user_data.empty()) config.set("cloud-init.user-data", order.user_data.reveal());
    const json::Object source{{"type", "image"}, {order.own_image ? "fingerprint" : "alias", order.image}};
    const json::Value body = json::Object{{"name", order.name},
                                          {"type", "container"},
                                          {"source", json::Value(source)},
                                          {"config", json::Value(std::move(config))}};
    co_return Operation{order.name, co_await api_.change("POST", "/1.0/instances", body)};
  }

  Task<Operation> remove_server(std::string id) override {
    const auto there = co_await api_.find(instance_path(id));
    if (!there) co_return Operation{id, {}};
    if (const State state = server_of(*there).state; state != State::Off && state != State::New)
      co_await api_.wait(co_await api_.change("PUT", instance_path(id) + "/state",
                                              json::Object{{"action", "stop"}, {"force", true}, {"timeout", 0}}),
                         kForceStop);
    std::string operation;
    try {
      operation = co_await api_.change("DELETE", instance_path(id));
    } catch (const Error& error) {  // tidy: gone meanwhile
      if (error.code() != ErrorCode::NotFound) throw;
    }
    co_return Operation{id, operation};
  }

  Task<Operation> power(std::string id, Power power) override {
    const json::Value body = json::Object{{"action", power == Power::On ? "start" : "stop"},
                                          {"force", power == Power::Off},
                                          {"timeout", power == Power::Shutdown ? 60 : 0}};
    co_return Operation{id, co_await api_.change("PUT", instance_path(id) + "/state", body)};
  }

  Task<Operation> resize(std::string id, std::string size) override {
    const json::Value body = json::Object{{"config", json::Value(limits_of(size))}};
    co_return Operation{id, co_await api_.change("PATCH", instance_path(id), body)};
  }
  Task<Operation> rebuild(std::string, ServerOrder) override {
    throw Error(ErrorCode::Invalid, "an instance is not given another image");
    co_return Operation{};
  }
  Task<> mark_server(std::string id, Mark mark) override {
    const json::Object config{{std::string(kUid), mark.uid}, {std::string(kRole), mark.role}};
    co_await api_.change("PATCH", instance_path(id), json::Object{{"config", json::Value(config)}});
  }
  Task<> put_firewall(Mark, std::string, std::vector<FirewallRule>) override {
    throw Error(ErrorCode::Invalid, "there are no firewalls here");
    co_return;
  }
  Task<> remove_firewall(std::string) override { co_return; }

  Task<Operation> create_image(ImageOrder order) override {
    const json::Object properties{{"gantry-uid", order.mark.uid},
                                  {"gantry-role", order.mark.role},
                                  {"gantry-content", order.content},
                                  {"gantry-name", order.name}};
    const json::Value body = json::Object{{"source", json::Object{{"type", "instance"}, {"name", order.server}}},
                                          {"properties", json::Value(properties)}};
    co_return Operation{order.server, co_await api_.change("POST", "/1.0/images", body)};
  }
  Task<> mark_image(std::string id, Mark mark) override {
    const json::Object properties{{"gantry-uid", mark.uid}, {"gantry-role", mark.role}};
    co_await api_.change("PATCH", "/1.0/images/" + percent_encode(id),
                         json::Object{{"properties", json::Value(properties)}});
  }
  Task<Operation> copy_image(std::string id, std::string) override { co_return Operation{id, {}}; }
  Task<> remove_image(std::string id) override {
    try {
      co_await api_.wait(co_await api_.change("DELETE", "/1.0/images/" + percent_encode(id)), kForceStop);
    } catch (const Error& error) {  // tidy: gone already
      if (error.code() != ErrorCode::NotFound) throw;
    }
  }

 private:
  static json::Object limits_of(const std::string& name) {
    if (name.empty()) return {};
    const auto size = size_of(name);
    if (!size) throw Error(ErrorCode::Invalid, "spec.size: \"" + name + "\" is no size here; expected one like c2-m4");
    return {{"limits.cpu", std::to_string(size->cpus)},
            {"limits.memory", std::to_string(size->memory_bytes)},
            {std::string(kSize), name}};
  }

  static bool publishes(const json::Value& operations) {
    const json::Value* running = operations.find("running");
    if (!running || !running->is_array()) return false;
    return std::ranges::any_of(running->as_array(), [](const json::Value& operation) {
      return operation.string_or("description") == "Downloading image";
    });
  }

  // {"running": [{"resources": {"instances": ["/1.0/instances/web-1"]}}], ...}
  static bool works_on(const json::Value& operations, const std::string& name) {
    if (!operations.is_object()) return false;
    const std::string path = "/1.0/instances/" + name;
    for (const auto& [state, list] : operations.as_object()) {
      if ((state != "running" && state != "pending") || !list.is_array()) continue;
      for (const auto& operation : list.as_array()) {
        const json::Value* resources = operation.find("resources");
        if (!resources || !resources->is_object()) continue;
        for (const auto& [kind, paths] : resources->as_object()) {
          if (!paths.is_array()) continue;
          for (const auto& one : paths.as_array()) {
            if (one.is_string() && one.as_string().starts_with(path) &&
                (one.as_string().size() == path.size() || one.as_string()[path.size()] == '?'))
              return true;
          }
        }
      }
    }
    return false;
  }

  Api api_;
  Capabilities can_;
};

std::string socket_of(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  if (endpoint.starts_with(kScheme)) return endpoint.substr(kScheme.size());
  if (!endpoint.empty())
    throw Error(ErrorCode::Invalid, "spec.endpoint: expected unix:///path/to/unix.socket, not " + endpoint);
  for (const char* place : {"/var/lib/incus/unix.socket", "/var/lib/lxd/unix.socket"}) {
    if (files::exists(place)) return place;
  }
  return "/var/lib/incus/unix.socket";
}

}  // namespace

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings) {
  return std::make_unique<Incus>(parts.reactor, socket_of(settings.endpoint));
}

}  // namespace gantry::providers::incus
