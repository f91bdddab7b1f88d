#include "controller/runtime/namespace_controller.hpp"

#include "controller/base/log.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("namespace");
constexpr std::size_t kWorkers = 2;
constexpr std::size_t kPage = 500;
// What is still inside waits for finalizers; its end is heard of, this is for the day it is not.
constexpr Duration kPoll = std::chrono::seconds(5);

// Nothing when the kind is served no longer.
Task<std::optional<api::List>> list_of(api::Client& client, Resource resource, const api::ListOptions& options) {
  try {
    co_return co_await client.list(resource, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return std::nullopt;
}

}  // namespace

NamespaceController::NamespaceController(const Context& context)
    : context_(context),
      namespaces_(Resource::of("", "namespaces")),
      sweeper_(context, "namespace", kWorkers, [this](Key key) { return look(std::move(key)); }) {
  context.informers.on_change([this](const Change& change) { on_change(change); });
}

void NamespaceController::on_change(const Change& change) {
  const Key& key = change.object().key();
  if (key.resource == namespaces_) {
    if (change.after && change.after->meta().deleting) sweeper_.add(key);
  } else if (!change.after && !key.ns.empty()) {
    const ObjectPtr ns = context_.informers.find({namespaces_, "", key.ns});
    if (ns && ns->meta().deleting) sweeper_.add(ns->key());
  }
}

Task<> NamespaceController::make_initial() {
  for (const char* name : {"default", "kube-system", "kube-public"}) {
    if (co_await context_.client.find({namespaces_, "", name})) continue;
    try {
      co_await context_.client.create(
          namespaces_,
          json::Object{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", json::Object{{"name", name}}}});
    } catch (const Error& error) {
      if (error.code() != ErrorCode::AlreadyExists) throw;
    }
  }
}

Task<std::optional<Duration>> NamespaceController::look(Key key) {
  const ObjectPtr ns = co_await context_.client.find(key);
  if (!ns || !ns->meta().deleting) co_return std::nullopt;
  // What has finalizers is more than a record, and may need the rest (a provider, its credentials) to be taken down.
  std::size_t left = co_await empty(key.name, true);
  if (left == 0) left = co_await empty(key.name, false);
  if (left > 0) {
    kLog.debug("waiting for what is inside to go", {{"namespace", key.name}, {"objects", left}});
    co_return kPoll;
  }
  co_await let_go(*ns);
  co_return std::nullopt;
}

// Asks everything inside to go (only_held: what has finalizers), and says how much of it is still there.
Task<std::size_t> NamespaceController::empty(const std::string& ns, bool only_held) {
  std::size_t left = 0;
  const auto kinds = context_.kinds.all();  // a copy: kinds come and go meanwhile
  for (const auto& kind : kinds) {
    if (!kind->namespaced) continue;
    api::ListOptions options;
    options.ns = ns;
    options.limit = kPage;
    do {
      const auto page = co_await list_of(context_.client, kind->resource, options);
      if (!page) break;
      for (const auto& object : page->items) {
        if (only_held && object->meta().finalizers.empty()) continue;
        if (!object->meta().deleting) {
          api::Preconditions same;
          same.uid = object->meta().uid;
          same.fence = context_.leadership.fence;
          try {
            co_await context_.client.remove(object->key(), same);
          } catch (const Error& error) {
            if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::Conflict) throw;
          }
        }
        if (co_await context_.client.find(object->key())) ++left;
      }
      options.continue_token = page->continue_token;
    } while (!options.continue_token.empty());
  }
  co_return left;
}

Task<> NamespaceController::let_go(const object::Object& ns) {
  json::Value value = ns.decode();
  value["spec"]["finalizers"] = json::Array{};
  try {
    co_await context_.client.finalize(namespaces_, std::move(value), context_.write_options());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

}  // namespace gantry::runtime
