// Droplets as servers.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "providers/digitalocean/api.hpp"
#include "providers/rest/gather.hpp"
#include "providers/rest/networks.hpp"

namespace gantry::providers::digitalocean {

class Servers {
 public:
  explicit Servers(Api& api);

  Task<std::vector<CloudServer>> list(int* calls = nullptr);
  Task<std::vector<CloudServer>> of(Mark mark);
  Task<std::optional<CloudServer>> find(std::string id);
  Task<std::vector<Progress>> poll(std::vector<std::string> actions);

  Task<Operation> create(ServerOrder order);
  Task<Operation> remove(std::string id);
  // {"type": "power_on"}, ... Throws Error.
  Task<Operation> act(std::string id, json::Object action);

 private:
  using Marked = rest::Gather<std::string, std::vector<CloudServer>>;
  using Known = rest::Gather<std::string, CloudServer>;
  using Actions = rest::Gather<std::string, Progress>;

  Task<Marked::Found> fetch_marked(std::vector<std::string> tags);
  Task<Known::Found> fetch_known(std::vector<std::string> ids);
  Task<Actions::Found> fetch_actions(std::vector<std::string> ids);
  Task<std::vector<std::int64_t>> key_ids(std::vector<std::string> names);
  Task<std::string> vpc_id(const ServerOrder& order);
  bool listing_is_cheaper(std::size_t lookups) const { return lookups > pages_; }

  Api& api_;
  Marked marked_;
  Known known_;
  Actions actions_;
  rest::Networks networks_;
  std::size_t pages_ = 1;  // of the last listing
  std::map<std::string, std::int64_t> keys_;
  std::optional<Instant> keys_read_;
};

}  // namespace gantry::providers::digitalocean
