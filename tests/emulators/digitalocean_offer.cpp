#include "tests/emulators/digitalocean.hpp"

namespace gantry::emulators::digitalocean {

const std::vector<Region>& regions() {
  static const std::vector<Region> all{
      {"nyc1", "New York 1", true},  {"nyc2", "New York 2", false},      {"nyc3", "New York 3", true},
      {"ams3", "Amsterdam 3", true}, {"sfo1", "San Francisco 1", false}, {"sfo3", "San Francisco 3", true},
      {"sgp1", "Singapore 1", true}, {"lon1", "London 1", true},         {"fra1", "Frankfurt 1", true},
      {"tor1", "Toronto 1", true},   {"blr1", "Bangalore 1", true},      {"syd1", "Sydney 1", true}};
  return all;
}

const std::vector<Size>& sizes() {
  static const std::vector<Size> all{{"512mb", 512, 1, 20, 1.0, 5.0, 0.00744, false},
                                     {"s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4.0, 0.00595, true},
                                     {"s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0, 0.00893, true},
                                     {"s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0, 0.01786, true},
                                     {"s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0, 0.02679, true},
                                     {"s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0, 0.03571, true},
                                     {"s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0, 0.07143, true}};
  return all;
}

const Size* find_size(std::string_view slug) {
  for (const auto& size : sizes()) {
    if (size.slug == slug) return &size;
  }
  return nullptr;
}

json::Array open_regions() {
  json::Array slugs;
  for (const auto& region : regions()) {
    if (region.available) slugs.emplace_back(region.slug);
  }
  return slugs;
}

json::Value shown(const Size& size) {
  return json::Object{{"slug", size.slug},
                      {"memory", size.memory_mb},
                      {"vcpus", size.vcpus},
                      {"disk", size.disk_gb},
                      {"transfer", size.transfer_tb},
                      {"price_monthly", size.monthly},
                      {"price_hourly", size.hourly},
                      {"regions", size.available ? open_regions() : json::Array{}},
                      {"available", size.available},
                      {"description", "Basic"}};
}

json::Value shown(const Region& region) {
  json::Array slugs;
  for (const auto& size : sizes()) {
    if (region.available && size.available) slugs.emplace_back(size.slug);
  }
  return json::Object{{"slug", region.slug},
                      {"name", region.name},
                      {"features", json::Array{"metadata", "ipv6", "image_transfer"}},
                      {"available", region.available},
                      {"sizes", std::move(slugs)}};
}

std::set<std::string> text_set(const json::Value* values) {
  std::set<std::string> set;
  if (values && values->is_array()) {
    for (const auto& value : values->as_array()) set.insert(value.as_string());
  }
  return set;
}

}  // namespace gantry::emulators::digitalocean
