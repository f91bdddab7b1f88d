#include "controller/api/definition_objects.hpp"

#include "controller/base/parallel.hpp"

namespace gantry::api {
namespace {

constexpr std::size_t kPage = 500, kAtOnce = 64;

void next_page(store::ListOptions& options, const store::Page& page) {
  options.after_ns = page.items.back()->key().ns;
  options.after_name = page.items.back()->key().name;
}

}  // namespace

Task<> read_again(Plane& plane, ServedPtr served, Revision before, const bool& closed) {
  const object::Schema& schema = *served->kind->schema;
  store::ListOptions options;
  options.limit = kPage;
  options.matches = [before](const object::Object& object) { return object.revision() < before; };
  while (!closed) {
    const store::Page page = plane.store.list(served->stored, options);
    for (const auto& object : page.items) {
      json::Value value = object->decode();
      const json::Value old = value;
      value["apiVersion"] = served->api_version;
      value["kind"] = served->kind->kind;
      schema.prune(value);
      schema.set_defaults(value);
      if (value == old) continue;
      store::Encoded encoded = object::encode(value);
      std::string bytes = encoded.with(object->revision());
      plane.store.restate(std::make_shared<object::Object>(object->key(), object->revision(), std::move(encoded.meta),
                                                           std::move(bytes)));
    }
    if (!page.more || page.items.empty()) co_return;
    next_page(options, page);
    co_await asio::post(plane.front.executor(), use_task);
  }
}

Task<std::size_t> empty_out(Plane& plane, ServedPtr served, const bool& closed) {
  store::ListOptions options;
  options.limit = kPage;
  std::size_t left = 0;
  while (!closed) {
    const store::Page page = plane.store.list(served->stored, options);
    co_await for_each_at_most(plane.front, kAtOnce, page.items.size(), [&](std::size_t i) -> Task<> {
      const object::Key key = page.items[i]->key();
      if (!page.items[i]->meta().deleting) {
        try {
          co_await verbs::remove(plane, {served, key.ns, key.name, {}}, {});
        } catch (const Error& error) {
          if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::Conflict) throw;
        }
      }
      if (plane.store.find(key)) ++left;
    });
    if (!page.more || page.items.empty()) break;
    next_page(options, page);
  }
  co_return left;
}

}  // namespace gantry::api
