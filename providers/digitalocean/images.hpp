// Snapshots of droplets as images. One is listed only when it is finished; until then the action alone tells of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "providers/digitalocean/api.hpp"

namespace gantry::providers::digitalocean {

class Images {
 public:
  explicit Images(Api& api) : api_(api) {}

  Task<std::vector<CloudImage>> list(int* calls = nullptr);
  Task<std::vector<CloudImage>> of(Mark mark);
  Task<std::optional<CloudImage>> find(std::string id);
  Task<Operation> copy(std::string id, std::string region);
  Task<> remove(std::string id);

 private:
  Api& api_;
};

}  // namespace gantry::providers::digitalocean
