// What every part of provider digitalocean uses: the client with this vendor's ways, listings, and marks. Droplets and
// images of ours are found by names alone: a droplet by its tag, an image (which its action cannot tag) by what its
// name ends with.
#pragma once

#include <string>

#include "providers/rest/client.hpp"
#include "providers/rest/reading.hpp"

namespace gantry::providers::digitalocean {

inline constexpr std::string_view kCurrency = "USD";
inline constexpr int kPageSize = 200;
// Many lookups at once become one listing; that often at most.
inline constexpr Duration kGather = std::chrono::seconds(1);

class Api {
 public:
  Api(const ProviderParts& parts, const ProviderSettings& settings);

  Task<json::Value> get(std::string path, std::string operation, std::string about = {});
  Task<json::Value> send(std::string method, std::string path, std::string operation, json::Value body,
                         std::string about = {});
  // Null when it is not there.
  Task<json::Value> find(std::string path, std::string operation, std::string about);
  // Every page of it. `path` may hold a query already.
  Task<json::Array> list(std::string path, std::string name, std::string key = "id", int* calls = nullptr);

  rest::Client client;
};

// gantry-server-3f2a...: one for each mark.
std::string tag_of(const Mark& mark);
std::optional<Mark> mark_of_tag(std::string_view tag);
std::optional<Mark> mark_of_tags(const json::Value* tags);

// As the vendor wants it: an image of one's own is a number, a public one a text. Throws Error(Invalid).
json::Value image_word(const ServerOrder& order);

// NAME--gantry-image-UID-CONTENT
std::string image_name(const ImageOrder& order);
struct ImageMark {
  std::string name;
  std::optional<Mark> mark;
  std::string content;
};
ImageMark read_image_name(std::string_view name);

}  // namespace gantry::providers::digitalocean
