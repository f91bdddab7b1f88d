#include "controller/runtime/default_accounts.hpp"

namespace gantry::runtime {
namespace {

constexpr std::string_view kName = "default";
constexpr std::size_t kWorkers = 2;

}  // namespace

DefaultAccounts::DefaultAccounts(const Context& context)
    : context_(context),
      namespaces_(Resource::of("", "namespaces")),
      accounts_(Resource::of("", "serviceaccounts")),
      sweeper_(context, "default-accounts", kWorkers, [this](Key key) { return look(std::move(key)); }) {
  if (context.kinds.find(accounts_)) context.informers.on_change([this](const Change& change) { on_change(change); });
}

void DefaultAccounts::on_change(const Change& change) {
  const Key& key = change.object().key();
  const bool comes = key.resource == namespaces_ && !change.before && change.after;
  const bool is_lost = key.resource == accounts_ && !change.after && key.name == kName;
  if (comes) sweeper_.add(key);
  if (is_lost) sweeper_.add({namespaces_, "", key.ns});
}

Task<std::optional<Duration>> DefaultAccounts::look(Key key) {
  const ObjectPtr ns = co_await context_.client.find(key);
  if (!ns || ns->meta().deleting) co_return std::nullopt;
  if (co_await context_.client.find({accounts_, key.name, std::string(kName)})) co_return std::nullopt;
  json::Value account = json::Object{{"apiVersion", "v1"},
                                     {"kind", "ServiceAccount"},
                                     {"metadata", json::Object{{"name", kName}, {"namespace", key.name}}}};
  try {
    co_await context_.client.create(accounts_, std::move(account), context_.write_options());
  } catch (const Error& error) {
    // Somebody else has made it, or the namespace goes just now.
    if (error.code() != ErrorCode::AlreadyExists && error.code() != ErrorCode::NotFound &&
        error.code() != ErrorCode::Forbidden)
      throw;
  }
  co_return std::nullopt;
}

}  // namespace gantry::runtime
