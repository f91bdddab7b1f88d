#include "providers/hetzner/images.hpp"

#include "controller/base/percent.hpp"

namespace gantry::providers::hetzner {
namespace {

constexpr double kGiB = 1 << 30;

CloudImage read_image(const json::Value& said) {
  CloudImage image{
      .id = rest::id_of(said), .name = said.string_or("description"), .mark = mark_of(said), .content = {}};
  if (const json::Value* labels = said.find("labels")) image.content = labels->string_or(kContentLabel);
  const std::string status = said.string_or("status");
  if (status == "creating") image.state = CloudImage::State::Making;
  if (status == "unavailable") image.state = CloudImage::State::Failed;
  image.size_bytes = static_cast<std::int64_t>(rest::number_or(said, "image_size", 0) * kGiB);
  image.min_disk_bytes = static_cast<std::int64_t>(rest::number_or(said, "disk_size", 0) * kGiB);
  image.architecture = said.string_or("architecture") == "arm" ? "aarch64" : "x86_64";
  image.created = rest::time_of(said, "created");
  return image;
}

std::vector<CloudImage> read_images(const json::Array& said) {
  std::vector<CloudImage> images;
  for (const auto& one : said) images.push_back(read_image(one));
  return images;
}

}  // namespace

Task<std::vector<CloudImage>> Images::list(int* calls) {
  co_return read_images(co_await api_.list("/images?type=snapshot", "images", "id", calls));
}

Task<std::vector<CloudImage>> Images::of(Mark mark) {
  co_return read_images(
      co_await api_.list("/images?type=snapshot&label_selector=" + encoded_selector_of(mark), "images"));
}

Task<std::optional<CloudImage>> Images::find(std::string id) {
  const json::Value body = co_await api_.find("/images/" + percent_encode(id), "/images/{id}", id);
  if (body.is_null()) co_return std::nullopt;
  co_return read_image(rest::part(body, "image"));
}

Task<Operation> Images::create(ImageOrder order) {
  json::Object labels = labels_of(order.mark);
  if (!order.content.empty()) labels.set(kContentLabel, order.content);
  const json::Value answer = co_await api_.send(
      "POST", "/servers/" + percent_encode(order.server) + "/actions/create_image",
      "/servers/{id}/actions/create_image",
      json::Object{{"type", "snapshot"}, {"description", order.name}, {"labels", std::move(labels)}}, order.server);
  co_return operation_of(rest::id_of(rest::part(answer, "image")), answer);
}

Task<> Images::remove(std::string id) {
  try {
    co_await api_.send("DELETE", "/images/" + percent_encode(id), "/images/{id}", {}, id);
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

}  // namespace gantry::providers::hetzner
