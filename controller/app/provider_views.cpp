#include "controller/app/provider_views.hpp"

#include "reconcilers/provider/existing.hpp"

namespace gantry::app {
namespace {

namespace provider = reconcilers::provider;
using FindAccounts = std::function<provider::Accounts*()>;

constexpr std::size_t kCallsShown = 20;

api::HttpResponse list_of(json::Array items, std::string_view kind) {
  api::HttpResponse response;
  response.body.emplace_back(
      json::dump(json::Object{{"apiVersion", "v1"}, {"kind", kind}, {"items", std::move(items)}}) + "\n");
  return response;
}

Task<provider::AccountPtr> account_of(FindAccounts accounts, std::string ns, std::string name) {
  provider::Accounts* all = accounts();
  if (!all) throw Error(ErrorCode::Unavailable, "the controllers are not there yet");
  const provider::AccountRef ref = co_await all->of(ns, name);
  if (!ref.account) throw Error(ErrorCode::Conflict, "Provider \"" + name + "\" cannot be asked: " + ref.problem);
  co_return ref.account;
}

Task<json::Array> existing(FindAccounts accounts, const Reactor& loop, std::string ns, std::string name) {
  const auto account = co_await account_of(std::move(accounts), ns, name);
  const auto sweep = co_await account->sweep(loop.now());
  const auto catalogue = co_await account->catalogue();
  co_return provider::manifests_of(sweep->inventory, *catalogue, ns, name);
}

json::Value shown(const providers::CallRecord& call) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(call.elapsed).count();
  return json::Object{{"time", format_time(call.at)},
                      {"operation", call.operation},
                      {"about", call.about},
                      {"status", call.status},
                      {"millis", millis},
                      {"requestId", call.request_id},
                      {"problem", call.problem}};
}

Task<json::Array> calls(FindAccounts accounts, std::string ns, std::string name, std::vector<std::string> about) {
  const auto account = co_await account_of(std::move(accounts), std::move(ns), std::move(name));
  const auto records =
      about.empty() ? account->provider().calls(kCallsShown) : account->provider().calls_about(about, kCallsShown);
  json::Array all;
  for (const auto& record : records) all.push_back(shown(record));
  co_return all;
}

class Existing final : public api::Subresource {
 public:
  Existing(Reactor& front, Reactor& loop, FindAccounts accounts)
      : front_(front), loop_(loop), accounts_(std::move(accounts)) {}
  std::vector<std::string> verbs() const override { return {"get"}; }
  std::string response_kind() const override { return "Server"; }
  Task<api::HttpResponse> handle(api::SubresourceRequest request) override {
    const object::Key key = request.object->key();
    co_return list_of(co_await loop_.call(front_, [this, key] { return existing(accounts_, loop_, key.ns, key.name); }),
                      "List");
  }

 private:
  Reactor& front_;
  Reactor& loop_;
  FindAccounts accounts_;
};

class Calls final : public api::Subresource {
 public:
  Calls(Reactor& front, Reactor& loop, FindAccounts accounts)
      : front_(front), loop_(loop), accounts_(std::move(accounts)) {}
  std::vector<std::string> verbs() const override { return {"get"}; }
  std::string response_kind() const override { return "CallList"; }
  Task<api::HttpResponse> handle(api::SubresourceRequest request) override {
    const object::Key key = request.object->key();
    const json::Value object = request.object->decode();
    std::string name = key.name;
    std::vector<std::string> about;
    if (object.string_or("kind") != "Provider") {
      const json::Value* ref = object.at({"spec", "providerRef", "name"});
      if (!ref) co_return list_of({}, response_kind());  // it is at no provider
      name = ref->as_string();
      about = {request.object->meta().uid};
      if (const json::Value* id = object.at({"metadata", "annotations", "gantry.dev/external-name"}))
        about.push_back(id->as_string());
    }
    co_return list_of(
        co_await loop_.call(front_, [this, key, name, about] { return calls(accounts_, key.ns, name, about); }),
        response_kind());
  }

 private:
  Reactor& front_;
  Reactor& loop_;
  FindAccounts accounts_;
};

}  // namespace

void show_accounts(api::Api& api, Reactor& front, Reactor& loop, FindAccounts accounts) {
  const auto ours = [](const char* plural) { return object::Resource::of("gantry.dev", plural); };
  api.add_subresource(ours("providers"), "existing", std::make_shared<Existing>(front, loop, accounts));
  for (const char* plural : {"providers", "servers", "snapshots"})
    api.add_subresource(ours(plural), "calls", std::make_shared<Calls>(front, loop, accounts));
}

}  // namespace gantry::app
