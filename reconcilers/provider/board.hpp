// What each account was last seen to hold, for those who must not wait for a listing: admission, which judges a Server
// before it is stored. Written on the loop, read from any thread. What it says may be a minute old: a limit is held
// against what is there again when the Server is planned, and before it is made.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "reconcilers/provider/account.hpp"

namespace gantry::reconcilers::provider {

struct Posted {
  Usage usage;
  std::set<std::string> owners;  // uids of the objects whose servers are in it
  CataloguePtr catalogue;
};
using PostedPtr = std::shared_ptr<const Posted>;

class Board {
 public:
  // By "namespace/name" of the Provider; null takes it away.
  void post(const std::string& provider, PostedPtr posted);
  PostedPtr find(const std::string& provider) const;  // null: nothing was told yet

 private:
  mutable std::mutex mutex_;
  std::map<std::string, PostedPtr> posted_;
};

// A Server as somebody wants it: what it adds to the account it is at. Empty size: unknown.
struct ServerWish {
  std::string uid;
  std::string size;
  std::string region;
  bool adopts = false;  // a machine that is there, and counted, as somebody else's
};
// From the object, and the region of its Provider; absent: it is not at that one.
std::optional<ServerWish> wish_of(const json::Value& server, const std::string& provider, const std::string& region);

// Which limit `wanted` would pass, with the sum; absent: none. `before`: what it was, where it exists already.
// `declared`: the other Servers at that Provider, of which those are counted that are not among what is there.
std::optional<std::string> refuses(const Posted& posted, const crds::ProviderLimits& limits, const ServerWish& wanted,
                                   const std::optional<ServerWish>& before, const std::vector<ServerWish>& declared);

}  // namespace gantry::reconcilers::provider
