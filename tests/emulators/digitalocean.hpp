// DigitalOcean as its description, its clients and its bug reports say it behaves: droplets that are locked while an
// action runs, names that are not unique, tags that a create makes as it goes, snapshots that are listed only when they
// are finished, firewalls that select by tag, a limit of 5,000 calls an hour and 250 a minute.
#pragma once

#include <set>

#include "tests/emulators/emulator.hpp"

namespace gantry::emulators {

class DigitalOcean final : public Emulator {
 public:
  explicit DigitalOcean(Reactor& reactor, std::string token = "dop_v1_emulated");

  struct Droplet {
    std::int64_t id = 0;
    std::string name;
    std::string region;
    std::string size;
    std::int64_t image = 0;
    std::string status = "new";  // new, active, off
    bool locked = true;
    std::set<std::string> tags;
    std::vector<std::string> ssh_keys;
    std::string user_data;
    bool monitoring = false;
    // What it sends to the outside, in Mbit/s, from that time on; absent: the agent in it is silent. 0 before.
    std::map<WallTime, std::optional<double>> sends;
    std::string address;
    std::string vpc;
    std::string created_at;
    Instant visible{};
    bool deleting = false;
  };
  struct Image {
    std::int64_t id = 0;
    std::string name;
    std::string slug;  // of public ones
    std::string distribution;
    std::set<std::string> regions;
    std::set<std::string> tags;
    std::string status = "available";
    std::int64_t min_disk_gb = 0;
    double size_gb = 0;
    std::string created_at;
    std::int64_t made_from = 0;  // the droplet
    int copies_under_way = 0;
  };
  struct Firewall {
    std::string id;
    std::string name;
    std::set<std::string> tags;
    json::Array inbound;
    json::Array outbound;
    std::string created_at;
    bool settled = false;
    json::Array in_force;  // of inbound; what came since is on its way
  };
  struct Action {
    std::int64_t id = 0;
    std::string type;
    std::string status = "in-progress";
    std::string started_at;
    std::string completed_at;
    std::int64_t resource = 0;
    std::string resource_type;
    std::string region;
  };
  struct Key {
    std::int64_t id = 0;
    std::string name;
    std::string fingerprint;
    std::string public_key;
  };
  struct ReservedIp {
    std::string ip;
    std::string region;
    std::int64_t droplet = 0;  // 0: of nobody
    bool locked = false;
  };
  struct Vpc {
    std::string id;
    std::string name;
    std::string region;
    bool is_default = false;
  };

  std::map<std::int64_t, Droplet> droplets;
  std::map<std::int64_t, Image> images;
  std::map<std::string, Firewall> firewalls;
  std::map<std::int64_t, Action> actions;
  std::map<std::int64_t, Key> keys;
  std::map<std::string, ReservedIp> reserved_ips;
  std::vector<Vpc> vpcs;  // each region has one by itself
  std::set<std::string> tags;
  std::string account_status = "active";
  std::string team_uuid = "5df3e3004a17e242b7c20ca6c9fc25b701a47ece";
  int droplet_limit = 2000;

  // As if somebody had clicked: running at once.
  Droplet& place(std::string name, std::set<std::string> tags, std::string size = "s-1vcpu-1gb",
                 std::string region = "lon1");

 private:
  void route_droplets();
  void route_images();
  void route_rest();
  void route_networks();
  Answer act_on_address(const Call& call);
  Answer create_droplet(const Call& call);
  Answer act_on_droplet(const Call& call);
  Answer act_on_image(const Call& call);
  Answer tag_resources(const Call& call, bool add);
  Answer put_firewall(const Call& call, Firewall* existing);
  Answer bandwidth(const Call& call) const;

  bool visible(const Droplet& droplet) const { return droplet.visible <= now(); }
  Droplet* find_droplet(const Call& call);
  Image* find_image(const Call& call);
  Image* image_named(const json::Value& id_or_slug);
  void take_away(std::int64_t droplet);
  Action& begin(std::string type, std::string resource_type, std::int64_t resource, const std::string& region);
  void finish(std::int64_t action, bool well = true);

  Answer missing() const;
  Answer unprocessable(std::string_view message) const { return refusal(422, "unprocessable_entity", message); }
  Answer page(const Call& call, std::string_view name, json::Array all) const;
  json::Value shown(const Droplet& droplet) const;
  json::Value shown(const Image& image) const;
  json::Value shown_snapshot(const Image& image, bool of_droplet) const;
  json::Value shown(const Firewall& firewall) const;
  json::Value shown(const Action& action) const;
  json::Value shown(const Key& key) const;
  json::Value shown(const ReservedIp& ip) const;
  json::Value shown(const Vpc& vpc) const;

  Answer refusal(int status, std::string_view code, std::string_view message) const override;
  Answer no_room() const override;
  bool count(http::Headers& headers) override;
  void too_many_headers(http::Headers& headers) const override;
  std::string request_id_header() const override { return "x-request-id"; }
  void spoil_total(json::Value& body) const override;
  std::string* status_of(std::int64_t server) override;
  std::string_view word_for_on() const override { return "active"; }
  Wall wall_of(std::int64_t server) const override;

  std::deque<Instant> hour_;
};

// What it sells: the same for every account.
namespace digitalocean {

struct Size {
  std::string slug;
  std::int64_t memory_mb;
  int vcpus;
  std::int64_t disk_gb;
  double transfer_tb;
  double monthly;
  double hourly;
  bool available;
};
struct Region {
  std::string slug;
  std::string name;
  bool available;
};
const std::vector<Size>& sizes();
const std::vector<Region>& regions();
const Size* find_size(std::string_view slug);
json::Value shown(const Size& size);
json::Value shown(const Region& region);
json::Array open_regions();
std::set<std::string> text_set(const json::Value* values);

}  // namespace digitalocean

}  // namespace gantry::emulators
