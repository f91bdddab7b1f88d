#include "controller/app/provider_limits.hpp"

namespace gantry::app {
namespace {

namespace provider = reconcilers::provider;

std::string provider_of(const json::Value& server) {
  const json::Value* name = server.at({"spec", "providerRef", "name"});
  return name && name->is_string() ? name->as_string() : std::string();
}

}  // namespace

void refuse_beyond_limits(api::Api& api, const store::Store& store, const provider::Board& board) {
  api.add_check(object::Resource::of("gantry.dev", "servers"),
                [&store, &board](const api::Review& review, std::vector<FieldError>& causes) {
                  const std::string name = provider_of(review.object);
                  const std::string ns = review.object.find("metadata")->string_or("namespace");
                  const auto posted = board.find(ns + "/" + name);
                  const auto stored = store.find({object::Resource::of("gantry.dev", "providers"), ns, name});
                  if (name.empty() || !posted || !stored) return;
                  crds::ProviderSpec spec;
                  try {
                    spec = crds::decode_provider_spec(stored->decode());
                  } catch (const Error&) {  // its own schema has said what is wrong with it
                    return;
                  }
                  const auto wanted = provider::wish_of(review.object, name, spec.region);
                  if (!spec.limits || !wanted) return;
                  std::optional<provider::ServerWish> before;
                  if (review.old) before = provider::wish_of(*review.old, name, spec.region);
                  if (before && before->size == wanted->size && before->region == wanted->region) return;
                  std::vector<provider::ServerWish> declared;
                  for (const auto& found : store.list(review.kind.resource, {.ns = ns}).items) {
                    if (found->meta().deleting) continue;
                    if (auto other = provider::wish_of(found->decode(), name, spec.region))
                      declared.push_back(std::move(*other));
                  }
                  if (auto why = provider::refuses(*posted, *spec.limits, *wanted, before, declared))
                    causes.push_back({"FieldValueForbidden", "spec", "Forbidden: " + *why});
                });
}

}  // namespace gantry::app
