// What each account was last seen to hold, for those who must not wait for a listing: admission, which judges what
// is wanted before it is stored. Written on the loop, read from any thread. What it says may be a minute old: a limit
// is held against what is there again when it is planned, and before it is made.
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
  std::set<std::string> owners;  // uids of the objects whose servers and images are in it
  CataloguePtr catalogue;
  WallTime at{};
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

// What somebody wants to have at an account: what it adds to what is there. Empty size: unknown.
struct Claim {
  enum class Kind { Server, Build, Servers };  // Build: a Snapshot's builder and image; Servers: an App's, by count
  Kind kind = Kind::Server;
  std::string uid;
  std::string owner;  // uid of the App that a Server is made for
  std::string size;
  std::string region;
  std::int64_t servers = 1;
  bool adopts = false;  // a thing that is there, and counted, as somebody else's

  bool asks_the_same(const Claim& other) const {
    return size == other.size && region == other.region && servers == other.servers;
  }
};
// From a Server, a Snapshot that is built, or an App with placement.provision, and the region of its Provider; absent:
// nothing of it is at that one.
std::optional<Claim> claim_of(const json::Value& object, const std::string& provider, const std::string& region);
// Which Provider it names, or the template of its Servers; empty: none.
std::string provider_of(const json::Value& object);

// Which limit `wanted` would pass, with the sum; absent: none. `before`: what it was, where it exists already.
// `declared`: everything stored that is at that Provider, of which that is counted which is not among what is there;
// `wanted` itself may be among it.
std::optional<std::string> refuses(const Posted& posted, const crds::ProviderLimits& limits, const Claim& wanted,
                                   const std::optional<Claim>& before, const std::vector<Claim>& declared);

}  // namespace gantry::reconcilers::provider
