#include "controller/base/digest.hpp"
#include "controller/base/json.hpp"
#include "providers/builder.hpp"

namespace gantry::providers {

std::string key_of(const BuildSpec& spec) {
  // Counts up when the recipes change, so that what they made before is made anew.
  constexpr int kRecipes = 1;
  json::Array start;
  for (const auto& word : spec.start) start.emplace_back(word);
  const json::Value all = json::Object{{"recipes", kRecipes},
                                       {"kind", static_cast<int>(spec.kind)},
                                       {"namespace", spec.owner_namespace},
                                       {"name", spec.owner_name},
                                       {"reference", spec.reference},
                                       {"digest", spec.digest},
                                       {"preset", spec.preset},
                                       {"dockerfile", spec.dockerfile},
                                       {"command", spec.command},
                                       {"output", spec.output},
                                       {"nodeVersion", spec.node_version},
                                       {"start", std::move(start)},
                                       {"port", spec.port},
                                       {"env", spec.env_digest}};
  return sha256_hex(json::dump(all));
}

std::string built_image(const std::string& ns, const std::string& app, const std::string& key) {
  return "gantry.local/" + ns + "/" + app + ":" + key.substr(0, 32);
}

}  // namespace gantry::providers
