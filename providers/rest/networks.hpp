// The private networks that an account has, for the server that names one. Many who are made at once share a listing.
#pragma once

#include <string>

#include "providers/rest/calls.hpp"
#include "providers/rest/gather.hpp"

namespace gantry::providers::rest {

class Networks {
 public:
  // path: of their listing; name: of the rows in it.
  Networks(Calls& calls, std::string path, std::string name);

  // By name or id, as spec.network of a Server has it. Throws Error(Invalid) that says which there are.
  Task<json::Value> find(std::string wanted);

 private:
  using Listing = Gather<std::string, json::Array>;  // one entry: the whole of it
  Task<Listing::Found> fetch();

  Calls& calls_;
  std::string path_;
  std::string name_;
  Listing listing_;
};

}  // namespace gantry::providers::rest
