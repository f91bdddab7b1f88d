#include "controller/object/key.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace gantry::object {

struct Resource::Name {
  std::string group;
  std::string plural;
  std::string qualified;
};

Resource Resource::of(std::string_view group, std::string_view plural) {
  static std::mutex mutex;
  static auto* names = new std::map<std::string, std::unique_ptr<Name>, std::less<>>;
  std::string qualified(plural);
  if (!group.empty()) qualified.append(".").append(group);
  std::lock_guard lock(mutex);
  auto& name = (*names)[qualified];
  if (!name) name = std::make_unique<Name>(Name{std::string(group), std::string(plural), qualified});
  return Resource(name.get());
}

std::string_view Resource::group() const { return name_ ? std::string_view(name_->group) : std::string_view(); }
std::string_view Resource::plural() const { return name_ ? std::string_view(name_->plural) : std::string_view(); }
std::string_view Resource::qualified() const { return name_ ? std::string_view(name_->qualified) : std::string_view(); }

std::strong_ordering Resource::operator<=>(const Resource& other) const {
  if (name_ == other.name_) return std::strong_ordering::equal;
  return qualified() <=> other.qualified();
}

std::string Key::to_string() const {
  std::string text(resource.qualified());
  if (!ns.empty()) text.append("/").append(ns);
  return text.append("/").append(name);
}

std::size_t KeyHash::operator()(const Key& key) const {
  std::size_t hash = key.resource.hash();
  hash = hash * 1099511628211ULL ^ std::hash<std::string>()(key.ns);
  return hash * 1099511628211ULL ^ std::hash<std::string>()(key.name);
}

}  // namespace gantry::object
