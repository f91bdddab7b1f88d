#include "providers/host_directory.hpp"

#include "controller/base/digest.hpp"

namespace gantry::providers {

std::string derived_agent_key(std::string_view token, std::string_view user_id) {
  return hmac_sha256_hex(token, "node-agent:" + std::string(user_id)).substr(0, 32);
}

}  // namespace gantry::providers
