// What every part of provider hetzner uses: the client with this vendor's ways, listings, labels, and actions, of which
// one call may start several.
#pragma once

#include <string>
#include <vector>

#include "providers/rest/calls.hpp"
#include "providers/rest/gather.hpp"

namespace gantry::providers::hetzner {

inline constexpr int kPageSize = 50;
inline constexpr std::string_view kCurrency = "EUR";
// Many lookups at once become one listing; that often at most.
inline constexpr Duration kGather = std::chrono::seconds(1);

inline constexpr std::string_view kUidLabel = "gantry.dev/uid";
inline constexpr std::string_view kRoleLabel = "gantry.dev/role";
inline constexpr std::string_view kContentLabel = "gantry.dev/content";

class Api : public rest::Calls {
 public:
  Api(const ProviderParts& parts, const ProviderSettings& settings);

  // Of operations, each of which may be several actions: see operation_of().
  Task<std::vector<Progress>> poll(std::vector<std::string> operations);

  // What exists already carries that mark's labels from now on, beside its own. kind: "server", "image".
  Task<> label(std::string kind, std::string id, Mark mark);

 private:
  using Actions = rest::Gather<std::string, json::Value>;
  Task<Actions::Found> fetch_actions(std::vector<std::string> ids);
  Actions actions_;
};

std::optional<Mark> mark_of(const json::Value& thing);
json::Object labels_of(const Mark& mark);
// Selects what has that mark; encoded, for a query.
std::string selector_of(const Mark& mark);
std::string encoded_selector_of(const Mark& mark);

// From an answer's "action", "next_actions" and "actions": all must end well. "12,13".
Operation operation_of(std::string target, const json::Value& answer);

}  // namespace gantry::providers::hetzner
