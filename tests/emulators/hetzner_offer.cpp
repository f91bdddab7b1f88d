#include "tests/emulators/hetzner.hpp"

namespace gantry::emulators::hetzner {
namespace {

using json::Value;

// With 19 % tax, in the vendor's ten places.
Value price(const std::string& net) {
  char gross[32];
  std::snprintf(gross, sizeof gross, "%.10f", std::stod(net) * 1.19);
  char exact[32];
  std::snprintf(exact, sizeof exact, "%.10f", std::stod(net));
  return json::Object{{"net", exact}, {"gross", gross}};
}

std::string hourly(const std::string& monthly) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10f", std::stod(monthly) / 625);
  return text;
}

json::Array prices(const Type& type) {
  json::Array all;
  for (const auto& location : type.locations) {
    all.push_back(json::Object{{"location", location},
                               {"price_hourly", price(hourly(type.monthly))},
                               {"price_monthly", price(type.monthly)},
                               {"included_traffic", 21990232555520},
                               {"price_per_tb_traffic", price("1.0")}});
  }
  return all;
}

Value deprecation(const Type& type) {
  if (type.ends.empty()) return {};
  return json::Object{{"unavailable_after", type.ends}, {"announced", type.announced}};
}

std::string trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

const std::vector<Location>& locations() {
  static const std::vector<Location> all{{1, "fsn1", "Falkenstein", "DE", "eu-central"},
                                         {2, "nbg1", "Nuremberg", "DE", "eu-central"},
                                         {3, "hel1", "Helsinki", "FI", "eu-central"},
                                         {4, "ash", "Ashburn, VA", "US", "us-east"}};
  return all;
}

const std::vector<Type>& types() {
  static const std::vector<std::string> europe{"fsn1", "nbg1", "hel1"};
  static const std::vector<Type> all{
      {104, "cx22", 2, 4, 40, "x86", "3.29", "2026-01-01T00:00:00Z", "2025-10-16T00:00:00Z", europe},
      {105, "cx32", 4, 8, 80, "x86", "5.49", "2026-01-01T00:00:00Z", "2025-10-16T00:00:00Z", europe},
      {114, "cx23", 2, 4, 40, "x86", "3.49", "", "", europe},
      {115, "cx33", 4, 8, 80, "x86", "5.49", "", "", europe},
      {116, "cx43", 8, 16, 160, "x86", "9.49", "", "", europe},
      {45, "cax11", 2, 4, 40, "arm", "3.79", "", "", europe},
      {22, "cpx11", 2, 2, 40, "x86", "4.49", "", "", {"fsn1", "nbg1", "hel1", "ash"}},
      {96, "ccx13", 2, 8, 80, "x86", "12.49", "", "", {"fsn1", "nbg1", "hel1", "ash"}}};
  return all;
}

const Type* find_type(std::string_view name) {
  for (const auto& type : types()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const Location* find_location(std::string_view name) {
  for (const auto& location : locations()) {
    if (location.name == name) return &location;
  }
  return nullptr;
}

Value shown(const Location& location) {
  return json::Object{
      {"id", location.id},           {"name", location.name},        {"description", location.city + " DC Park"},
      {"country", location.country}, {"city", location.city},        {"latitude", 50.47612},
      {"longitude", 12.370071},      {"network_zone", location.zone}};
}

Value shown(const Type& type) {
  json::Array places;
  for (const auto& name : type.locations)
    places.push_back(json::Object{{"id", find_location(name)->id},
                                  {"name", name},
                                  {"deprecation", deprecation(type)},
                                  {"recommended", type.ends.empty()},
                                  {"available", type.ends.empty()}});
  return json::Object{{"id", type.id},
                      {"name", type.name},
                      {"description", type.name},
                      {"cores", type.cores},
                      {"memory", type.memory_gb},
                      {"disk", type.disk_gb},
                      {"deprecated", !type.ends.empty()},
                      {"deprecation", deprecation(type)},
                      {"prices", prices(type)},
                      {"storage_type", "local"},
                      {"cpu_type", type.name.starts_with("ccx") ? "dedicated" : "shared"},
                      {"category", "Shared vCPU"},
                      {"architecture", type.architecture},
                      {"locations", std::move(places)}};
}

Value pricing() {
  json::Array types_priced;
  for (const auto& type : types())
    types_priced.push_back(json::Object{{"id", type.id}, {"name", type.name}, {"prices", prices(type)}});
  json::Array addresses;
  for (const auto& location : locations())
    addresses.push_back(
        json::Object{{"location", location.name}, {"price_hourly", price("0.0008")}, {"price_monthly", price("0.50")}});
  json::Array floating;
  for (const auto& location : locations())
    floating.push_back(json::Object{{"location", location.name}, {"price_monthly", price("3.00")}});
  return json::Object{{"currency", "EUR"},
                      {"vat_rate", "19.00"},
                      {"primary_ips", json::Array{json::Object{{"type", "ipv4"}, {"prices", std::move(addresses)}}}},
                      {"floating_ips", json::Array{json::Object{{"type", "ipv4"}, {"prices", std::move(floating)}}}},
                      {"floating_ip", json::Object{{"price_monthly", price("3.00")}}},
                      {"image", json::Object{{"price_per_gb_month", price("0.0110")}}},
                      {"volume", json::Object{{"price_per_gb_month", price("0.0440")}}},
                      {"server_backup", json::Object{{"percentage", "20.00"}}},
                      {"server_types", std::move(types_priced)},
                      {"load_balancer_types", json::Array{}}};
}

bool selects(std::string_view selector, const Hetzner::Labels& labels) {
  while (!selector.empty()) {
    const auto comma = selector.find(',');
    const std::string part = trimmed(selector.substr(0, comma));
    selector.remove_prefix(comma == std::string_view::npos ? selector.size() : comma + 1);
    const auto equals = part.find('=');
    if (equals == std::string::npos) {
      const bool absent = part.starts_with('!');
      if (labels.contains(absent ? part.substr(1) : part) == absent) return false;
      continue;
    }
    const bool differs = equals > 0 && part[equals - 1] == '!';
    const std::string key = trimmed(std::string_view(part).substr(0, differs ? equals - 1 : equals));
    const std::size_t value_at = part.find_first_not_of('=', equals);
    const std::string value = value_at == std::string::npos ? "" : trimmed(std::string_view(part).substr(value_at));
    const auto found = labels.find(key);
    if ((found != labels.end() && found->second == value) == differs) return false;
  }
  return true;
}

}  // namespace gantry::emulators::hetzner
