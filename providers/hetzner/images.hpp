// Snapshots as images: of the whole project, so that servers start from one wherever they are.
#pragma once

#include <string>
#include <vector>

#include "providers/hetzner/api.hpp"

namespace gantry::providers::hetzner {

class Images {
 public:
  explicit Images(Api& api) : api_(api) {}

  Task<std::vector<CloudImage>> list(int* calls = nullptr);
  Task<std::vector<CloudImage>> of(Mark mark);
  Task<std::optional<CloudImage>> find(std::string id);
  Task<Operation> create(ImageOrder order);
  Task<> remove(std::string id);

 private:
  Api& api_;
};

}  // namespace gantry::providers::hetzner
