#include "providers/digitalocean/servers.hpp"

#include <algorithm>
#include <cctype>

#include "controller/base/percent.hpp"

namespace gantry::providers::digitalocean {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;
constexpr std::int64_t kTiB = std::int64_t{1} << 40;
// Listing the keys is allowed ten times a minute.
constexpr Duration kKeysFresh = std::chrono::seconds(15);
// So many pages of actions are looked through before the rest is asked for one by one.
constexpr int kActionPages = 2;

CloudServer::State state_of(std::string_view status) {
  if (status == "new") return CloudServer::State::Starting;
  if (status == "active") return CloudServer::State::Running;
  if (status == "off") return CloudServer::State::Off;
  return CloudServer::State::Other;
}

std::vector<CloudAddress> addresses_of(const json::Value& droplet) {
  std::vector<CloudAddress> addresses;
  for (const char* family : {"v4", "v6"}) {
    const json::Value* list = droplet.at({"networks", family});
    if (!list || !list->is_array()) continue;
    for (const auto& one : list->as_array()) {
      const std::string address = one.string_or("ip_address");
      if (address.empty()) continue;
      const bool open = one.string_or("type") == "public";
      addresses.push_back({open ? CloudAddress::Reach::Public : CloudAddress::Reach::Private, address});
    }
  }
  return addresses;
}

CloudServer read_server(const json::Value& droplet) {
  CloudServer server{
      .id = rest::id_of(droplet), .name = droplet.string_or("name"), .mark = mark_of_tags(droplet.find("tags"))};
  server.state_text = droplet.string_or("status");
  server.state = state_of(server.state_text);
  server.busy = droplet.bool_or("locked", false);
  server.size = droplet.string_or("size_slug");
  if (const json::Value* region = droplet.find("region")) server.region = region->string_or("slug");
  if (const json::Value* image = droplet.find("image"); image && image->is_object()) {
    server.image_id = rest::id_of(*image);
    const std::string slug = image->string_or("slug");
    server.image = slug.empty() ? server.image_id : slug;
  }
  server.addresses = addresses_of(droplet);
  if (std::string vpc = droplet.string_or("vpc_uuid"); !vpc.empty()) server.networks.push_back(std::move(vpc));
  server.cpu_millis = droplet.int_or("vcpus", 0) * 1000;
  server.memory_bytes = droplet.int_or("memory", 0) * kMiB;
  server.disk_bytes = droplet.int_or("disk", 0) * kGiB;
  if (const json::Value* size = droplet.find("size")) {
    server.monthly = rest::price_of(size->find("price_monthly"), kCurrency);
    if (const double tib = rest::number_or(*size, "transfer", 0); tib > 0)
      server.traffic_free_bytes = static_cast<std::int64_t>(tib * static_cast<double>(kTiB));
  }
  server.created = rest::time_of(droplet, "created_at");
  return server;
}

Progress read_action(const json::Value& action) {
  Progress progress{.id = rest::id_of(action), .state = Progress::State::Running, .problem = {}};
  const std::string status = action.string_or("status");
  if (status == "completed") progress.state = Progress::State::Done;
  if (status == "errored") {
    progress.state = Progress::State::Failed;
    progress.problem = "DigitalOcean: action " + action.string_or("type") + " " + progress.id + " ended with an error";
    // A droplet that no host took is removed again, and nothing more is said.
    progress.capacity = action.string_or("type") == "create";
  }
  return progress;
}

Operation begun(std::string target, const json::Value& action) { return {std::move(target), rest::id_of(action)}; }

// A label as a tag, which may have letters, digits, colons, dashes and underscores (the description of tags in the
// vendor's API): pool=web is pool:web, and of what is only there or not, tags.example.org/api=true, it is api.
std::string label_tag(const std::string& key, const std::string& value) {
  std::string tag = key.substr(key.find('/') + 1);
  if (!value.empty() && value != "true") tag += ":" + value;
  std::ranges::replace_if(
      tag, [](unsigned char c) { return !std::isalnum(c) && c != ':' && c != '-' && c != '_'; }, '-');
  return tag;
}

}  // namespace

Servers::Servers(Api& api)
    : api_(api),
      marked_(api.client.reactor(), kGather,
              [this](std::vector<std::string> tags) { return fetch_marked(std::move(tags)); }),
      known_(api.client.reactor(), kGather,
             [this](std::vector<std::string> ids) { return fetch_known(std::move(ids)); }),
      actions_(api.client.reactor(), kGather,
               [this](std::vector<std::string> ids) { return fetch_actions(std::move(ids)); }),
      networks_(api, "/v2/vpcs", "vpcs") {}

Task<std::vector<CloudServer>> Servers::list(int* calls) {
  const json::Array droplets = co_await api_.list("/v2/droplets", "droplets", "id", calls);
  pages_ = std::max<std::size_t>(1, (droplets.size() + kPageSize - 1) / kPageSize);
  std::vector<CloudServer> servers;
  servers.reserve(droplets.size());
  for (const auto& droplet : droplets) servers.push_back(read_server(droplet));
  co_return servers;
}

Task<std::vector<CloudServer>> Servers::of(Mark mark) {
  auto found = co_await marked_.ask(tag_of(mark));
  co_return found ? std::move(*found) : std::vector<CloudServer>{};
}

Task<Servers::Marked::Found> Servers::fetch_marked(std::vector<std::string> tags) {
  Marked::Found found;
  if (listing_is_cheaper(tags.size())) {
    for (auto& server : co_await list()) {
      if (server.mark) found[tag_of(*server.mark)].push_back(std::move(server));
    }
    co_return found;
  }
  for (const auto& tag : tags) {
    for (const auto& droplet : co_await api_.list("/v2/droplets?tag_name=" + percent_encode(tag), "droplets"))
      found[tag].push_back(read_server(droplet));
  }
  co_return found;
}

Task<std::optional<CloudServer>> Servers::find(std::string id) { co_return co_await known_.ask(std::move(id)); }

Task<Servers::Known::Found> Servers::fetch_known(std::vector<std::string> ids) {
  Known::Found found;
  if (listing_is_cheaper(ids.size())) {
    for (auto& server : co_await list()) found.emplace(server.id, server);
  }
  // The listing may lag behind; only the droplet's own address says that it is gone.
  for (const auto& id : ids) {
    if (found.contains(id)) continue;
    const json::Value body = co_await api_.find("/v2/droplets/" + percent_encode(id), "/v2/droplets/{id}", id);
    if (!body.is_null()) found.emplace(id, read_server(rest::part(body, "droplet")));
  }
  co_return found;
}

Task<std::vector<Progress>> Servers::poll(std::vector<std::string> ids) {
  std::vector<Progress> all;
  if (ids.empty()) co_return all;
  const auto found = co_await actions_.ask_all(ids);
  for (const auto& id : ids) {
    const auto one = found->find(id);
    all.push_back(one == found->end() ? Progress{.id = id, .state = Progress::State::Unknown, .problem = {}}
                                      : one->second);
  }
  co_return all;
}

Task<Servers::Actions::Found> Servers::fetch_actions(std::vector<std::string> ids) {
  Actions::Found found;
  const auto missing = [&] {
    return std::any_of(ids.begin(), ids.end(), [&](const auto& id) { return !found.contains(id); });
  };
  // Newest first: what is on its way stands in front.
  for (int page = 1; ids.size() > 1 && page <= kActionPages && missing(); ++page) {
    const json::Value body = co_await api_.get(
        "/v2/actions?per_page=" + std::to_string(kPageSize) + "&page=" + std::to_string(page), "/v2/actions");
    for (const auto& action : rest::rows(body, "actions")) {
      Progress progress = read_action(action);
      found.emplace(progress.id, progress);
    }
    if (!body.at({"links", "pages", "next"})) break;
  }
  for (const auto& id : ids) {
    if (found.contains(id)) continue;
    try {
      const json::Value body = co_await api_.find("/v2/actions/" + percent_encode(id), "/v2/actions/{id}", id);
      if (!body.is_null()) found.emplace(id, read_action(rest::part(body, "action")));
    } catch (const Error& error) {  // tidy: seen while images are copied, and it passes
      if (error.code() != ErrorCode::Forbidden) throw;
    }
  }
  co_return found;
}

Task<std::vector<std::int64_t>> Servers::key_ids(std::vector<std::string> names) {
  const auto unknown = [&] {
    return std::find_if(names.begin(), names.end(), [&](const auto& name) { return !keys_.contains(name); });
  };
  const Instant now = api_.client.reactor().now();
  if (unknown() != names.end() && (!keys_read_ || now - *keys_read_ > kKeysFresh)) {
    keys_read_ = now;
    std::map<std::string, std::int64_t> keys;
    for (const auto& key : co_await api_.list("/v2/account/keys", "ssh_keys"))
      keys[key.string_or("name")] = key.int_or("id", 0);
    keys_ = std::move(keys);
  }
  if (const auto name = unknown(); name != names.end())
    throw Error(ErrorCode::Invalid, "spec.sshKeys: the account has no key named \"" + *name + "\"");
  std::vector<std::int64_t> ids;
  for (const auto& name : names) ids.push_back(keys_.at(name));
  co_return ids;
}

// A VPC is of one region.
Task<std::string> Servers::vpc_id(const ServerOrder& order) {
  const json::Value vpc = co_await networks_.find(order.network);
  if (const std::string region = vpc.string_or("region"); region != order.region)
    throw Error(ErrorCode::Invalid, "spec.network: \"" + order.network + "\" is in " + region +
                                        ", and the server is to be in " + order.region);
  co_return rest::id_of(vpc);
}

Task<Operation> Servers::create(ServerOrder order) {
  json::Array keys;
  for (const std::int64_t id : co_await key_ids(order.ssh_keys)) keys.emplace_back(id);
  json::Array tags{"gantry", tag_of(order.mark)};
  for (const auto& [key, value] : order.labels) {
    // What begins as ours do is left out: nobody's label may look like a mark.
    if (std::string tag = label_tag(key, value); !key.starts_with("gantry.dev/") && !tag.starts_with("gantry"))
      tags.emplace_back(std::move(tag));
  }
  json::Object body{
      {"name", order.name},          {"region", order.region},  {"size", order.size}, {"image", image_word(order)},
      {"ssh_keys", std::move(keys)}, {"tags", std::move(tags)}, {"monitoring", true}, {"ipv6", true}};
  if (!order.network.empty()) body.set("vpc_uuid", co_await vpc_id(order));
  if (!order.user_data.empty()) body.set("user_data", order.user_data.reveal());
  const json::Value answer =
      co_await api_.send("POST", "/v2/droplets", "/v2/droplets", std::move(body), order.mark.uid);
  Operation operation{rest::id_of(rest::part(answer, "droplet")), {}};
  if (const json::Value* actions = answer.at({"links", "actions"});
      actions && actions->is_array() && !actions->as_array().empty())
    operation.id = rest::id_of(actions->as_array()[0]);
  co_return operation;
}

Task<Operation> Servers::remove(std::string id) {
  try {
    co_await api_.send("DELETE", "/v2/droplets/" + percent_encode(id), "/v2/droplets/{id}", {}, id);
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return Operation{id, {}};
}

Task<Operation> Servers::act(std::string id, json::Object action) {
  try {
    const json::Value answer = co_await api_.send("POST", "/v2/droplets/" + percent_encode(id) + "/actions",
                                                  "/v2/droplets/{id}/actions", std::move(action), id);
    co_return begun(id, rest::part(answer, "action"));
  } catch (const Error& error) {  // tidy: what is on already needs no turning on
    if (error.message().find("already powered") == std::string::npos) throw;
  }
  co_return Operation{id, {}};
}

}  // namespace gantry::providers::digitalocean
