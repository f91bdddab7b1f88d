// Servers of a Hetzner Cloud project.
#pragma once

#include <string>
#include <vector>

#include "providers/hetzner/api.hpp"
#include "providers/rest/networks.hpp"

namespace gantry::providers::hetzner {

class Servers {
 public:
  explicit Servers(Api& api);

  Task<std::vector<CloudServer>> list(int* calls = nullptr);
  Task<std::vector<CloudServer>> of(Mark mark);
  Task<std::optional<CloudServer>> find(std::string id);

  Task<Operation> create(ServerOrder order);
  Task<Operation> remove(std::string id);
  // POST /servers/{id}/actions/NAME
  Task<Operation> act(std::string id, std::string name, json::Value body = {});

 private:
  using Marked = rest::Gather<std::pair<std::string, std::string>, std::vector<CloudServer>>;  // uid, role
  using Known = rest::Gather<std::string, CloudServer>;
  Task<Marked::Found> fetch_marked(std::vector<std::pair<std::string, std::string>> marks);
  Task<Known::Found> fetch_known(std::vector<std::string> ids);
  Task<Operation> adopt(ServerOrder order, std::string refusal);

  Api& api_;
  Marked marked_;
  Known known_;
  rest::Networks networks_;
  std::size_t pages_ = 1;  // of the last listing
};

}  // namespace gantry::providers::hetzner
