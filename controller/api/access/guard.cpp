#include "controller/api/access/guard.hpp"

#include "controller/api/access/default_roles.hpp"
#include "controller/api/access/escalation.hpp"

namespace gantry::api::access {

Guard::Guard(Api& api, Blocking& blocking, GuardOptions options)
    : api_(api),
      policy_(std::make_shared<Policy>(api.plane().store)),
      aggregation_(api.plane(), policy_),
      tokens_(api.plane(), SigningKey(options.signing_key)),
      identities_(std::move(options.known), tokens_, api.plane().store),
      flow_(api.plane().front, options.flow) {
  if (options.audit) audit_.emplace(blocking, std::move(*options.audit));
  api.set_authorizer(policy_);
  api.set_watchers({&identities_, &flow_, audit_ ? &*audit_ : nullptr});
  refuse_escalation(api, policy_);
  for (const auto& resource : {rbac().cluster_roles, rbac().cluster_role_bindings}) {
    api.plane().admission->add_removal_check(resource, [resource](const std::string& name) {
      return is_default_role({resource, {}, name}) ? "it is one of those that are always there, and may not be deleted"
                                                   : "";
    });
  }
  refuse_beyond(api, options.quotas);
  api.add_subresource(object::Resource::of("", "serviceaccounts"), "token", token_subresource(tokens_, api.plane()));
}

Task<> Guard::prepare() {
  co_await ensure_default_roles(api_.plane());
  co_await aggregation_.write_all();
  aggregation_.start();
}

Handler& Guard::watch_doors(Handler& first, std::vector<std::string> paths) {
  return doors_.emplace(first, api_.plane().front, Doors::Watchers{*policy_, flow_, audit()}, std::move(paths));
}

}  // namespace gantry::api::access
