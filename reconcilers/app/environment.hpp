// An App's environment, with what it refers to filled in: Secrets, ConfigMaps, fields of other objects, its own fields.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/secret.hpp"
#include "controller/object/kind.hpp"

namespace gantry::reconcilers::app {

struct Environment {
  std::vector<std::pair<std::string, Secret>> values;
  std::vector<std::string> missing;  // for people: 'Secret "db" has no key "url" (env DATABASE_URL)'; not the values
};

// Reads `env` and `envFrom` of the template. app is the App's own JSON, for fieldRef.
Task<Environment> resolve_environment(api::Client& client, const object::KindTable& kinds,
                                      const json::Value& pod_template, const json::Value& app, std::string ns);

}  // namespace gantry::reconcilers::app
