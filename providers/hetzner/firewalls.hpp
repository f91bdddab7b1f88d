// Firewalls: one for each mark, which selects its servers by the mark's labels, so that it holds for those that are
// still to be made.
#pragma once

#include <string>
#include <vector>

#include "providers/hetzner/api.hpp"

namespace gantry::providers::hetzner {

class Firewalls {
 public:
  explicit Firewalls(Api& api) : api_(api) {}

  Task<std::vector<CloudFirewall>> list(int* calls = nullptr);
  Task<> put(Mark mark, std::string name, std::vector<FirewallRule> rules);
  // Null when it is not there.
  Task<json::Value> find(std::string id);
  // Taken off whatever it applies to first: while it applies to anything it cannot be deleted.
  Task<> remove(std::string id);

 private:
  Api& api_;
};

}  // namespace gantry::providers::hetzner
