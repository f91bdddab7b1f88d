#include "providers/hetzner/servers.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"

namespace gantry::providers::hetzner {
namespace {

constexpr double kGiB = 1 << 30;

CloudServer::State state_of(std::string_view status) {
  if (status == "initializing" || status == "starting") return CloudServer::State::Starting;
  if (status == "running") return CloudServer::State::Running;
  if (status == "stopping" || status == "deleting") return CloudServer::State::Stopping;
  if (status == "off") return CloudServer::State::Off;
  return CloudServer::State::Other;
}

std::vector<CloudAddress> addresses_of(const json::Value& said) {
  std::vector<CloudAddress> addresses;
  if (const json::Value* ipv4 = said.at({"public_net", "ipv4"}); ipv4 && !ipv4->string_or("ip").empty())
    addresses.push_back({CloudAddress::Reach::Public, ipv4->string_or("ip")});
  if (const json::Value* ipv6 = said.at({"public_net", "ipv6"}); ipv6 && !ipv6->string_or("ip").empty()) {
    // A whole network is assigned, 2001:db8::/64; the server has its first address.
    const std::string network = ipv6->string_or("ip");
    addresses.push_back({CloudAddress::Reach::Public, network.substr(0, network.find('/')) + "1"});
  }
  if (const json::Value* nets = said.find("private_net"); nets && nets->is_array()) {
    for (const auto& net : nets->as_array()) addresses.push_back({CloudAddress::Reach::Private, net.string_or("ip")});
  }
  return addresses;
}

std::optional<Money> price_in(const json::Value& type, std::string_view location) {
  const json::Value* prices = type.find("prices");
  if (!prices || !prices->is_array()) return std::nullopt;
  for (const auto& price : prices->as_array()) {
    if (price.string_or("location") == location) return rest::price_of(price.at({"price_monthly", "net"}), kCurrency);
  }
  return std::nullopt;
}

std::optional<std::int64_t> count_of(const json::Value& said, std::string_view key) {
  const json::Value* count = said.find(key);
  return count && count->is_int() ? std::optional(count->as_int()) : std::nullopt;
}

CloudServer read_server(const json::Value& said) {
  CloudServer server{.id = rest::id_of(said), .name = said.string_or("name"), .mark = mark_of(said)};
  server.state_text = said.string_or("status");
  server.state = state_of(server.state_text);
  server.busy =
      said.bool_or("locked", false) || server.state == CloudServer::State::Other || server.state_text == "deleting";
  if (const json::Value* location = said.find("location")) server.region = location->string_or("name");
  if (const json::Value* type = said.find("server_type"); type && type->is_object()) {
    server.size = type->string_or("name");
    server.cpu_millis = static_cast<std::int64_t>(rest::number_or(*type, "cores", 0) * 1000);
    server.memory_bytes = static_cast<std::int64_t>(rest::number_or(*type, "memory", 0) * kGiB);
    server.monthly = price_in(*type, server.region);
  }
  server.disk_bytes = static_cast<std::int64_t>(rest::number_or(said, "primary_disk_size", 0) * kGiB);
  if (const json::Value* image = said.find("image"); image && image->is_object()) {
    server.image_id = rest::id_of(*image);
    const std::string name = image->string_or("name");
    server.image = name.empty() ? server.image_id : name;
  }
  server.addresses = addresses_of(said);
  if (const json::Value* nets = said.find("private_net"); nets && nets->is_array()) {
    for (const auto& net : nets->as_array()) server.networks.push_back(rest::id_of(net, "network"));
  }
  server.traffic_out_bytes = count_of(said, "outgoing_traffic");
  server.traffic_free_bytes = count_of(said, "included_traffic");
  server.created = rest::time_of(said, "created");
  return server;
}

std::string path_of(const std::string& id) { return "/servers/" + percent_encode(id); }

}  // namespace

Servers::Servers(Api& api)
    : api_(api),
      marked_(
          api.client.reactor(), kGather,
          [this](std::vector<std::pair<std::string, std::string>> marks) { return fetch_marked(std::move(marks)); }),
      known_(api.client.reactor(), kGather,
             [this](std::vector<std::string> ids) { return fetch_known(std::move(ids)); }),
      networks_(api, "/networks", "networks") {}

Task<std::vector<CloudServer>> Servers::list(int* calls) {
  const json::Array said = co_await api_.list("/servers", "servers", "id", calls);
  pages_ = std::max<std::size_t>(1, (said.size() + kPageSize - 1) / kPageSize);
  std::vector<CloudServer> servers;
  servers.reserve(said.size());
  for (const auto& one : said) servers.push_back(read_server(one));
  co_return servers;
}

Task<std::vector<CloudServer>> Servers::of(Mark mark) {
  auto found = co_await marked_.ask({mark.uid, mark.role});
  co_return found ? std::move(*found) : std::vector<CloudServer>{};
}

Task<Servers::Marked::Found> Servers::fetch_marked(std::vector<std::pair<std::string, std::string>> marks) {
  Marked::Found found;
  if (marks.size() > pages_) {
    for (auto& server : co_await list()) {
      if (server.mark) found[{server.mark->uid, server.mark->role}].push_back(std::move(server));
    }
    co_return found;
  }
  for (const auto& [uid, role] : marks) {
    for (const auto& said :
         co_await api_.list("/servers?label_selector=" + encoded_selector_of({uid, role}), "servers"))
      found[{uid, role}].push_back(read_server(said));
  }
  co_return found;
}

Task<std::optional<CloudServer>> Servers::find(std::string id) { co_return co_await known_.ask(std::move(id)); }

Task<Servers::Known::Found> Servers::fetch_known(std::vector<std::string> ids) {
  Known::Found found;
  if (ids.size() > pages_) {
    for (auto& server : co_await list()) found.emplace(server.id, server);
  }
  for (const auto& id : ids) {
    if (found.contains(id)) continue;
    const json::Value body = co_await api_.find(path_of(id), "/servers/{id}", id);
    if (!body.is_null()) found.emplace(id, read_server(rest::part(body, "server")));
  }
  co_return found;
}

Task<Operation> Servers::create(ServerOrder order) {
  json::Object labels;
  for (const auto& [key, value] : order.labels) labels.set(key, value);
  for (const auto& [key, value] : labels_of(order.mark)) labels.set(key, value);
  json::Array keys;
  for (const auto& key : order.ssh_keys) keys.emplace_back(key);
  json::Object body{{"name", order.name},   {"server_type", order.size},   {"location", order.region},
                    {"image", order.image}, {"labels", std::move(labels)}, {"start_after_create", true}};
  if (!keys.empty()) body.set("ssh_keys", std::move(keys));
  if (!order.network.empty()) {
    const json::Value network = co_await networks_.find(order.network);
    body.set("networks", json::Array{network.int_or("id", 0)});
  }
  if (!order.user_data.empty()) body.set("user_data", order.user_data.reveal());
  std::string taken;
  try {
    const json::Value answer = co_await api_.send("POST", "/servers", "/servers", std::move(body), order.mark.uid);
    co_return operation_of(rest::id_of(rest::part(answer, "server")), answer);
  } catch (const Error& error) {  // tidy: a name that is taken may be taken by ourselves
    if (error.code() == ErrorCode::NotFound) throw Error(ErrorCode::Invalid, error.message());
    if (error.code() != ErrorCode::AlreadyExists) throw;
    taken = error.message();
  }
  co_return co_await adopt(std::move(order), std::move(taken));
}

// An earlier call may have made it although its answer was lost.
Task<Operation> Servers::adopt(ServerOrder order, std::string refusal) {
  for (const auto& said : co_await api_.list("/servers?name=" + percent_encode(order.name), "servers")) {
    if (mark_of(said) == order.mark) co_return Operation{rest::id_of(said), {}};
    throw Error(ErrorCode::Invalid,
                refusal + ": server " + rest::id_of(said) +
                    " has that name and is not of this object; rename one, or adopt it by annotation");
  }
  throw Error(ErrorCode::Conflict, refusal + ": but no such server is listed yet");
}

Task<Operation> Servers::remove(std::string id) {
  try {
    co_return operation_of(id, co_await api_.send("DELETE", path_of(id), "/servers/{id}", {}, id));
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return Operation{id, {}};
}

Task<Operation> Servers::act(std::string id, std::string name, json::Value body) {
  const std::string operation = "/servers/{id}/actions/" + name;
  co_return operation_of(id,
                         co_await api_.send("POST", path_of(id) + "/actions/" + name, operation, std::move(body), id));
}

}  // namespace gantry::providers::hetzner
