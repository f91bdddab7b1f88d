// Cloud firewalls: one for each mark, which selects its droplets by the mark's tag, so that it holds for those that are
// still to be made. It cannot be tagged itself; its name is the tag.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "providers/digitalocean/api.hpp"
#include "providers/rest/gather.hpp"

namespace gantry::providers::digitalocean {

class Firewalls {
 public:
  explicit Firewalls(Api& api);

  Task<std::vector<CloudFirewall>> list(int* calls = nullptr);
  Task<> put(Mark mark, std::vector<FirewallRule> rules);
  // Which mark it is of; absent when it is not there.
  Task<std::optional<Mark>> mark_of(std::string id);
  Task<> remove(std::string id);

 private:
  using All = std::vector<CloudFirewall>;
  Task<All> all();

  Api& api_;
  rest::Gather<int, All> listing_;
  std::set<std::string> tags_;  // that are known to exist
};

}  // namespace gantry::providers::digitalocean
