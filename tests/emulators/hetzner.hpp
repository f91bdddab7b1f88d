// Hetzner Cloud as its description, its clients and its bug reports say it behaves: names that are unique in a project,
// labels and selectors of them, actions that are asked for many at a time, bodies refused for a field nobody knows,
// firewalls that are not to be deleted while they apply, types that ended in one place or everywhere, images that are
// everywhere at once, and 3,600 calls an hour of which one comes back each second.
#pragma once

#include <set>

#include "tests/emulators/emulator.hpp"

namespace gantry::emulators {

class Hetzner final : public Emulator {
 public:
  using Labels = std::map<std::string, std::string>;

  explicit Hetzner(Reactor& reactor, std::string token = "hcloud-emulated-token");

  struct Server {
    std::int64_t id = 0;
    std::string name;
    std::string type;
    std::string location;
    std::int64_t image = 0;
    std::string status = "initializing";
    bool locked = true;
    Labels labels;
    std::string user_data;
    std::string address;
    std::vector<std::int64_t> networks;
    std::string created;
    std::int64_t outgoing = 0;
    Instant visible{};
    bool deleting = false;
  };
  struct Image {
    std::int64_t id = 0;
    std::string type = "snapshot";  // system, snapshot
    std::string name;               // of system images
    std::string description;
    std::string status = "creating";
    std::string flavor;
    std::string version;
    std::string architecture = "x86";
    std::string deprecated;  // date, or empty
    double image_size = 0;
    std::int64_t disk_size = 0;
    Labels labels;
    std::string created;
    std::int64_t made_from = 0;
  };
  struct Firewall {
    std::int64_t id = 0;
    std::string name;
    Labels labels;
    json::Array rules;
    json::Array applied_to;
    std::string created;
  };
  struct Action {
    std::int64_t id = 0;
    std::string command;
    std::string status = "running";
    std::string started;
    std::string finished;
    std::string error_code;
    std::string error_message;
    std::vector<std::pair<std::string, std::int64_t>> resources;
  };
  struct Key {
    std::int64_t id = 0;
    std::string name;
    std::string fingerprint;
    std::string public_key;
    Labels labels;
    std::string created;
  };

  struct Network {
    std::int64_t id = 0;
    std::string name;
    std::string zone = "eu-central";
  };
  struct FloatingIp {
    std::int64_t id = 0;
    std::string ip;
    std::string home;         // location
    std::int64_t server = 0;  // 0: of nobody
  };

  std::map<std::int64_t, Server> servers;
  std::map<std::int64_t, Image> images;
  std::map<std::int64_t, Firewall> firewalls;
  std::map<std::int64_t, Action> actions;
  std::map<std::int64_t, Key> keys;
  std::map<std::int64_t, Network> networks;
  std::map<std::int64_t, FloatingIp> floating_ips;
  int server_limit = 2000;

  Server& place(std::string name, Labels labels, std::string type = "cx23", std::string location = "fsn1");

 private:
  void route_servers();
  void route_images();
  void route_firewalls();
  void route_rest();
  void route_networks();
  Answer assign_address(const Call& call);
  Answer create_server(const Call& call);
  Answer act_on_server(const Call& call, const std::string& command);
  Answer create_image(const Call& call);
  Answer create_firewall(const Call& call);

  bool visible(const Server& server) const { return server.visible <= now(); }
  Server* find_server(const Call& call);
  Image* image_named(const std::string& name_or_id);
  bool applies(const Firewall& firewall) const;
  static bool protects(const Firewall& firewall, const Server& server);
  Action& begin(std::string command, std::vector<std::pair<std::string, std::int64_t>> resources);
  void finish(std::int64_t action, std::string_view error_code = {}, std::string_view error = {});
  Answer with_action(int status, const Action& action) const;

  Answer missing(std::string_view what) const { return refusal(404, "not_found", std::string(what) + " not found"); }
  Answer unknown_field(const Call& call, std::initializer_list<std::string_view> known) const;
  Answer page(const Call& call, std::string_view name, json::Array all) const;
  json::Value shown(const Server& server) const;
  json::Value shown(const Image& image) const;
  json::Value shown(const Firewall& firewall) const;
  json::Value shown(const Action& action) const;
  json::Value shown(const Key& key) const;
  json::Value shown(const Network& network) const;
  json::Value shown(const FloatingIp& ip) const;

  Answer refusal(int status, std::string_view code, std::string_view message) const override;
  Answer no_room() const override { return refusal(412, "resource_unavailable", "error during placement"); }
  bool count(http::Headers& headers) override;
  void too_many_headers(http::Headers&) const override {}
  std::string request_id_header() const override { return "X-Correlation-Id"; }
  void spoil_total(json::Value& body) const override;
  std::string* status_of(std::int64_t server) override;
  std::string_view word_for_on() const override { return "running"; }
  Wall wall_of(std::int64_t server) const override;

  double calls_left_ = 3600;
  Instant counted_{};
};

namespace hetzner {

struct Type {
  std::int64_t id;
  std::string name;
  int cores;
  double memory_gb;
  int disk_gb;
  std::string architecture;
  std::string monthly;  // net, the same in each place
  std::string ends;     // date of the deprecation, or empty
  std::string announced;
  std::vector<std::string> locations;
};
struct Location {
  std::int64_t id;
  std::string name;
  std::string city;
  std::string country;
  std::string zone;
};
const std::vector<Type>& types();
const std::vector<Location>& locations();
const Type* find_type(std::string_view name);
const Location* find_location(std::string_view name);
json::Value shown(const Type& type);
json::Value shown(const Location& location);
json::Value pricing();
bool selects(std::string_view selector, const Hetzner::Labels& labels);

}  // namespace hetzner

}  // namespace gantry::emulators
