// What a request means, as objects: the same that a manifest would declare. Pure.
#pragma once

#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/deploy/request.hpp"
#include "controller/object/key.hpp"

namespace gantry::deploy {

inline constexpr std::string_view kManager = "gantry-deploy-api";
inline constexpr std::string_view kBaseSnapshot = "base-docker-ubuntu";
inline constexpr std::string_view kProvider = "do";
inline constexpr std::string_view kTag = "tag.gantry.dev/";  // label of what has that tag

struct Declared {
  object::Key key;
  json::Value object;
};

// Where the App is to run: names of Servers that exist, then of those that are declared with it.
struct Places {
  std::vector<std::string> existing;
  std::vector<std::string> fresh;
  std::string snapshot;  // the Snapshot that the fresh ones start from
};

// In the order in which they are to be applied: Secrets, Servers, the App. code: digest of the uploaded code. run: that
// it is looked at anew, for what no field of its own shows: another value in a Secret, another commit behind a branch.
std::vector<Declared> objects_of(const DeployRequest& request, const std::string& ns, const Places& places,
                                 const std::string& code, const std::string& run);

// run: as above.
Declared snapshot_of(const ImageBuild& build, const std::string& ns, const std::string& run);
Declared server_of(const std::string& name, const std::string& ns, const std::string& snapshot,
                   const std::string& region, const std::string& size, const std::vector<std::string>& tags);
// The Provider of a token that came with a request, and the Secret that keeps it.
std::vector<Declared> account_of(const Secret& token, const std::string& ns, const std::string& type);

object::Key key_of(std::string_view plural, const std::string& ns, const std::string& name);

}  // namespace gantry::deploy
