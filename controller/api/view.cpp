#include "controller/api/view.hpp"

namespace gantry::api {
namespace {

class VersionView final : public View {
 public:
  VersionView(std::string shown, std::string stored, std::shared_ptr<const object::Schema> schema)
      : shown_(std::move(shown)), stored_(std::move(stored)), schema_(std::move(schema)) {}

  void show(json::Value& object) const override {
    object["apiVersion"] = shown_;
    schema_->prune(object);
    schema_->set_defaults(object);
  }

  void store(json::Value& object) const override { object["apiVersion"] = stored_; }

 private:
  std::string shown_, stored_;  // apiVersion
  std::shared_ptr<const object::Schema> schema_;
};

}  // namespace

std::shared_ptr<const View> version_view(const object::KindPtr& kind, const object::Kind& storage) {
  return std::make_shared<const VersionView>(kind->api_version(), storage.api_version(), kind->schema);
}

}  // namespace gantry::api
