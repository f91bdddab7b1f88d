#include "providers/digitalocean/images.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"

namespace gantry::providers::digitalocean {
namespace {

constexpr double kGiB = 1 << 30;
// Not in the API; the vendor's price list of 2026: 0.06 USD a GiB and month.
constexpr std::int64_t kMicrosOfGib = 60'000;

CloudImage read_image(const json::Value& said) {
  const ImageMark marked = read_image_name(said.string_or("name"));
  CloudImage image{.id = rest::id_of(said), .name = marked.name, .mark = marked.mark, .content = marked.content};
  if (!image.mark) image.mark = mark_of_tags(said.find("tags"));
  image.backup = said.string_or("type") == "backup";
  const std::string status = said.string_or("status", "available");
  if (status == "NEW" || status == "pending") image.state = CloudImage::State::Making;
  if (status == "deleted" || status == "retired") image.state = CloudImage::State::Failed;
  image.regions = rest::texts(said.find("regions"));
  image.size_bytes = static_cast<std::int64_t>(rest::number_or(said, "size_gigabytes", 0) * kGiB);
  image.min_disk_bytes = static_cast<std::int64_t>(rest::number_or(said, "min_disk_size", 0) * kGiB);
  image.architecture = "x86_64";
  image.monthly = Money{static_cast<std::int64_t>(rest::number_or(said, "size_gigabytes", 0) * kMicrosOfGib),
                        std::string(kCurrency)};
  image.created = rest::time_of(said, "created_at");
  return image;
}

}  // namespace

Task<std::vector<CloudImage>> Images::list(int* calls) {
  std::vector<CloudImage> images;
  for (const auto& image : co_await api_.list("/v2/images?private=true", "images", "id", calls))
    images.push_back(read_image(image));
  co_return images;
}

Task<std::vector<CloudImage>> Images::of(Mark mark) {
  auto images = co_await list();
  std::erase_if(images, [&](const auto& image) { return image.mark != mark; });
  co_return images;
}

Task<std::optional<CloudImage>> Images::find(std::string id) {
  const json::Value body = co_await api_.find("/v2/images/" + percent_encode(id), "/v2/images/{id}", id);
  if (body.is_null()) co_return std::nullopt;
  co_return read_image(rest::part(body, "image"));
}

Task<Operation> Images::copy(std::string id, std::string region) {
  const auto image = co_await find(id);
  if (!image) throw Error(ErrorCode::NotFound, "digitalocean: there is no image " + id);
  // Asked for what it has, the vendor refuses.
  if (std::find(image->regions.begin(), image->regions.end(), region) != image->regions.end())
    co_return Operation{id, {}};
  const json::Value answer =
      co_await api_.send("POST", "/v2/images/" + percent_encode(id) + "/actions", "/v2/images/{id}/actions",
                         json::Object{{"type", "transfer"}, {"region", region}}, id);
  co_return Operation{id, rest::id_of(rest::part(answer, "action"))};
}

Task<> Images::remove(std::string id) {
  try {
    co_await api_.send("DELETE", "/v2/images/" + percent_encode(id), "/v2/images/{id}", {}, id);
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

}  // namespace gantry::providers::digitalocean
