#include "reconcilers/provider/existing.hpp"

#include <algorithm>
#include <set>

namespace gantry::reconcilers::provider {
namespace {

constexpr std::size_t kNameMax = 63;

// As objects may be called: lower case letters, digits and dashes.
std::string object_name(const std::string& name, const std::string& otherwise) {
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
  return out.empty() ? otherwise : out;
}

// Names need not be unique everywhere; ids are.
std::string unique_name(std::set<std::string>& taken, const std::string& name, const std::string& id,
                        const std::string& otherwise) {
  std::string chosen = object_name(name, otherwise);
  if (!taken.insert(chosen).second) {
    chosen = object_name(chosen.substr(0, kNameMax - std::min(kNameMax, id.size() + 1)) + "-" + id, otherwise);
    taken.insert(chosen);
  }
  return chosen;
}

json::Value manifest(const char* kind, const std::string& ns, const std::string& name, const std::string& id,
                     json::Object spec) {
  return json::Object{
      {"apiVersion", "gantry.dev/v1alpha1"},
      {"kind", kind},
      {"metadata", json::Object{{"name", name},
                                {"namespace", ns},
                                {"annotations", json::Object{{"gantry.dev/external-name", id},
                                                             {"gantry.dev/deletion-policy", "Retain"}}}}},
      {"spec", std::move(spec)}};
}

}  // namespace

json::Array manifests_of(const providers::Inventory& inventory, const providers::Catalogue& catalogue,
                         const std::string& ns, const std::string& provider) {
  json::Array all;
  std::set<std::string> taken;
  const json::Object ref{{"name", provider}};
  for (const auto& server : inventory.servers) {
    if (server.mark) continue;
    json::Object spec{{"providerRef", json::Value(ref)}, {"agent", json::Object{{"enabled", false}}}};
    for (const auto& [field, value] :
         {std::pair("size", &server.size), std::pair("region", &server.region), std::pair("image", &server.image)}) {
      if (!value->empty()) spec.set(field, *value);
    }
    all.push_back(manifest("Server", ns, unique_name(taken, server.name, server.id, "server-" + server.id), server.id,
                           std::move(spec)));
  }
  taken.clear();
  for (const auto& image : inventory.images) {
    const bool offered =
        std::ranges::find(catalogue.images, image.id, &providers::ImageOffer::id) != catalogue.images.end();
    if (image.mark || image.backup || offered || image.state != providers::CloudImage::State::Available) continue;
    json::Object spec{{"providerRef", json::Value(ref)}, {"from", json::Object{{"image", image.id}}}};
    all.push_back(manifest("Snapshot", ns, unique_name(taken, image.name, image.id, "image-" + image.id.substr(0, 12)),
                           image.id, std::move(spec)));
  }
  return all;
}

}  // namespace gantry::reconcilers::provider
