// What every part of provider digitalocean uses: the client with this vendor's ways, listings, and marks. Droplets and
// images of ours are found by names alone: a droplet by its tag, an image (which its action cannot tag) by what its
// name ends with, or by its tag where it was taken over.
#pragma once

#include <string>

#include "providers/rest/calls.hpp"

namespace gantry::providers::digitalocean {

inline constexpr std::string_view kCurrency = "USD";
inline constexpr int kPageSize = 200;
// Many lookups at once become one listing; that often at most.
inline constexpr Duration kGather = std::chrono::seconds(1);

class Api : public rest::Calls {
 public:
  Api(const ProviderParts& parts, const ProviderSettings& settings);

  // What exists already carries that mark's tag from now on; type: "droplet", "image".
  Task<> tag(std::string type, std::string id, Mark mark);
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
