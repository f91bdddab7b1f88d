#include "controller/app/provider_limits.hpp"

#include <array>

namespace gantry::app {
namespace {

namespace provider = reconcilers::provider;

// The kinds that make something at a Provider, and the field of each that asks for it.
struct Asking {
  const char* plural;
  const char* field;
};
constexpr std::array kAsking{Asking{"servers", "spec"}, Asking{"snapshots", "spec"},
                             Asking{"apps", "spec.placement.provision"}};

object::Resource ours(const char* plural) { return object::Resource::of("gantry.dev", plural); }

std::optional<crds::ProviderSpec> provider_named(const store::Store& store, const std::string& ns,
                                                 const std::string& name) {
  const auto stored = store.find({ours("providers"), ns, name});
  if (!stored) return std::nullopt;
  try {
    return crds::decode_provider_spec(stored->decode());
  } catch (const Error&) {  // its own schema has said what is wrong with it
    return std::nullopt;
  }
}

std::optional<std::string> refuses(const api::Review& review, const store::Store& store, const provider::Board& board) {
  const std::string name = provider::provider_of(review.object);
  const std::string ns = review.object.find("metadata")->string_or("namespace");
  const auto posted = board.find(ns + "/" + name);
  const auto spec = name.empty() || !posted ? std::nullopt : provider_named(store, ns, name);
  if (!spec || !spec->limits) return std::nullopt;
  const auto wanted = provider::claim_of(review.object, name, spec->region);
  if (!wanted) return std::nullopt;
  std::optional<provider::Claim> before;
  if (review.old) before = provider::claim_of(*review.old, name, spec->region);
  if (before && before->asks_the_same(*wanted)) return std::nullopt;
  std::vector<provider::Claim> declared;
  for (const auto& asking : kAsking) {
    for (const auto& found : store.list(ours(asking.plural), {.ns = ns}).items) {
      if (found->meta().deleting) continue;
      if (auto other = provider::claim_of(found->decode(), name, spec->region)) declared.push_back(std::move(*other));
    }
  }
  return provider::refuses(*posted, *spec->limits, *wanted, before, declared);
}

}  // namespace

void refuse_beyond_limits(api::Api& api, const store::Store& store, const provider::Board& board) {
  for (const auto& asking : kAsking) {
    api.add_check(ours(asking.plural),
                  [&store, &board, field = asking.field](const api::Review& review, std::vector<FieldError>& causes) {
                    if (auto why = refuses(review, store, board))
                      causes.push_back({"FieldValueForbidden", field, "Forbidden: " + *why});
                  });
  }
}

}  // namespace gantry::app
