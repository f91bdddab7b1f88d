#include "reconcilers/provider/existing.hpp"

#include <algorithm>
#include <set>

namespace gantry::reconcilers::provider {
namespace {

constexpr std::size_t kNameMax = 63;

// As objects may be called: lower case letters, digits and dashes.
std::string object_name(const std::string& name, const std::string& id) {
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper) {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (fine) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  out.resize(std::min(out.size(), kNameMax));
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "server-" + id : out;
}

}  // namespace

json::Array manifests_of(const providers::Inventory& inventory, const std::string& ns, const std::string& provider) {
  std::set<std::string> taken;
  json::Array all;
  for (const auto& server : inventory.servers) {
    if (server.mark) continue;
    std::string name = object_name(server.name, server.id);
    // Names need not be unique everywhere; ids are.
    if (!taken.insert(name).second) {
      name =
          object_name(name.substr(0, kNameMax - std::min(kNameMax, server.id.size() + 1)) + "-" + server.id, server.id);
      taken.insert(name);
    }
    json::Object spec{{"providerRef", json::Object{{"name", provider}}}, {"agent", json::Object{{"enabled", false}}}};
    for (const auto& [field, value] :
         {std::pair("size", &server.size), std::pair("region", &server.region), std::pair("image", &server.image)}) {
      if (!value->empty()) spec.set(field, *value);
    }
    all.push_back(json::Object{
        {"apiVersion", "gantry.dev/v1alpha1"},
        {"kind", "Server"},
        {"metadata", json::Object{{"name", name},
                                  {"namespace", ns},
                                  {"annotations", json::Object{{"gantry.dev/external-name", server.id},
                                                               {"gantry.dev/deletion-policy", "Retain"}}}}},
        {"spec", std::move(spec)}});
  }
  return all;
}

}  // namespace gantry::reconcilers::provider
