#include "controller/api/access/quotas.hpp"

#include <charconv>
#include <memory>
#include <unordered_map>

#include "controller/api/status.hpp"

namespace gantry::api::access {
namespace {

// How many objects of one resource each namespace has, kept up to date from the store's history.
class Census {
 public:
  Census(store::Store& store, object::Resource resource) : store_(store), resource_(resource) {}

  std::size_t count(const std::string& ns) {
    catch_up();
    const auto found = counts_.find(ns);
    return found == counts_.end() ? 0 : found->second;
  }

 private:
  void catch_up() {
    try {
      if (watch_) {
        for (auto events = watch_->ready(); !events.empty(); events = watch_->ready()) {
          for (const auto& event : events) {
            if (event->type == store::Event::Type::Added) ++counts_[event->object->key().ns];
            if (event->type == store::Event::Type::Deleted) --counts_[event->object->key().ns];
          }
        }
        return;
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Expired) throw;
    }
    counts_.clear();
    watch_ = store_.watch(resource_, store_.revision());
    for (const auto& object : store_.list(resource_).items) ++counts_[object->key().ns];
  }

  store::Store& store_;
  object::Resource resource_;
  std::unique_ptr<store::Watch> watch_;
  std::unordered_map<std::string, std::size_t> counts_;
};

object::Resource served_as(Api& api, const std::string& qualified) {
  const auto dot = qualified.find('.');
  const auto resource =
      object::Resource::of(dot == std::string::npos ? std::string_view() : std::string_view(qualified).substr(dot + 1),
                           std::string_view(qualified).substr(0, dot));
  if (!api.plane().catalogue.find(resource))
    throw Error(ErrorCode::Invalid,
                "quota: no resource " + qualified + " is served; such as apps.gantry.dev or secrets");
  return resource;
}

}  // namespace

std::pair<std::string, std::size_t> parse_quota(const std::string& text) {
  const auto equals = text.find('=');
  std::size_t max = 0;
  const char* const end = text.data() + text.size();
  const bool good = equals != std::string::npos && equals > 0 && equals + 1 < text.size() &&
                    std::from_chars(text.data() + equals + 1, end, max).ptr == end;
  if (!good)
    throw Error(ErrorCode::Invalid, "quota \"" + text + "\": expected RESOURCE=N, such as apps.gantry.dev=100");
  return {text.substr(0, equals), max};
}

void refuse_beyond(Api& api, const Quotas& quotas) {
  for (const auto& [qualified, max] : quotas) {
    const object::Resource resource = served_as(api, qualified);
    const auto census = std::make_shared<Census>(api.plane().store, resource);
    api.add_check(resource, [census, resource, max](const Review& review, std::vector<FieldError>&) {
      if (review.old || !review.user) return;
      const json::Value& metadata = *review.object.find("metadata");
      const std::size_t used = census->count(metadata.string_or("namespace"));
      if (used < max) return;
      const std::string what = "count/" + std::string(resource.qualified()) + "=";
      throw forbidden(resource, metadata.string_or("name"),
                      "exceeded quota: gantry, requested: " + what + "1, used: " + what + std::to_string(used) +
                          ", limited: " + what + std::to_string(max));
    });
  }
}

}  // namespace gantry::api::access
