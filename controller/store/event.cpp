#include "controller/store/store.hpp"

namespace gantry::store {

const std::string& Event::frame() const {
  if (frame_.empty()) {
    constexpr std::string_view kNames[] = {"ADDED", "MODIFIED", "DELETED"};
    const std::string_view name = kNames[static_cast<std::size_t>(type)];
    frame_.reserve(object->bytes().size() + 34);
    frame_.append(R"({"type":")").append(name).append(R"(","object":)").append(object->bytes()).append("}\n");
  }
  return frame_;
}

}  // namespace gantry::store
