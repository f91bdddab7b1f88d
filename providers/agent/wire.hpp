// What the controller and an agent say to each other, as JSON, and the envelope that every answer comes in:
//
//   {"success": true, "data": {...}, "error": null}
//   {"success": false, "data": {"reason": "Conflict"}, "error": "port 8000 is already in use by pid 123 (nginx)"}
//
// data is an object always, so whoever reads a field of it needs no case for failure.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/error.hpp"
#include "controller/base/http.hpp"
#include "controller/base/json.hpp"
#include "providers/builder.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::agent {

json::Value to_json(const Instance& instance);
// Throws Error(BadRequest) naming the field, for values that make no sense. Fields that are not known are ignored: the
// other side may be newer.
Instance instance_from(const json::Value& value);

// With the values of secrets: for the wire alone. server, code_folder are the sender's business and not sent;
// working_directory is sent relative to code_folder where it lies in it.
json::Value to_json(const InstanceSpec& spec);
// Throws Error(BadRequest) naming the field; a field that is not known is refused, for a person may have mistyped it.
InstanceSpec spec_from(const json::Value& value);

// With the values of secrets, likewise. folder, servers are the sender's business and not sent.
json::Value to_json(const BuildSpec& spec);
// As spec_from(). The folder of the code, and a digest of env where the sender gives none, are the host's to fill in.
BuildSpec build_from(const json::Value& value);
json::Value to_json(const BuildState& state);
BuildState build_state_from(const json::Value& value);

json::Value to_json(const InstanceUsage& usage);
InstanceUsage usage_from(const json::Value& value);

json::Value to_json(const ProbeSpec& spec);
ProbeSpec probe_from(const json::Value& value);
json::Value to_json(const ProbeResult& result);
ProbeResult probe_result_from(const json::Value& value);

std::string success(json::Object data);
std::string failure(const Error& error);
// The data of a successful answer; throws the Error that an unsuccessful one stands for. `who` is named in it.
json::Value open_envelope(std::string_view who, const http::Response& response);
json::Value open_envelope(std::string_view who, int status, std::string_view body);

}  // namespace gantry::providers::agent
