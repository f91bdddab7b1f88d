// Objects as the Deploy API shows them, and what their status says of a run. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::deploy {

std::string name_of(const json::Value& object);
// An empty object when there is none.
const json::Value& status_of(const json::Value& object);
bool is_true(const json::Value& object, std::string_view condition);
// "RolloutInProgress: 1 of 2 replicas answer"; empty while nothing is said of the present generation.
std::string progress_text(const json::Value& object);

// Whether a run is over, and how; absent: it goes on.
std::optional<bool> app_is_over(const json::Value& app);
std::optional<bool> server_is_over(const json::Value& server);
std::optional<bool> snapshot_is_over(const json::Value& snapshot);

// The Server that has that address; null when there is none.
const json::Value* server_at(const std::vector<json::Value>& servers, const std::string& ip);
std::vector<std::string> placed_on(const json::Value& app);
// Name of the Snapshot that a Server or a Snapshot starts from; empty: none.
std::string starts_from(const json::Value& object);

// region: of its Provider, for a Server that names none itself.
json::Value server_view(const json::Value& server, const std::vector<json::Value>& snapshots,
                        const std::string& region = {});
json::Value snapshot_view(const json::Value& snapshot);
json::Value agent_view(const json::Value& server);
json::Value server_outcome(const std::string& name, const std::vector<json::Value>& servers, const json::Value& app,
                           bool success);

}  // namespace gantry::deploy
