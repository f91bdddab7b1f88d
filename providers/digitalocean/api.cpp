#include "providers/digitalocean/api.hpp"

#include "controller/base/percent.hpp"

namespace gantry::providers::digitalocean {
namespace {

constexpr std::string_view kPrefix = "gantry-";
constexpr std::string_view kNameEnd = "--gantry-";
constexpr std::string_view kNoContent = "none";

bool says(std::string_view message, std::initializer_list<std::string_view> words) {
  for (const auto word : words) {
    if (message.find(word) != std::string_view::npos) return true;
  }
  return false;
}

rest::Refusal read_refusal(int status, const json::Value& said) {
  rest::Refusal refusal{
      .code = said.string_or("id"), .message = said.string_or("message"), .meaning = {}, .retry_after = {}};
  if (refusal.code.empty()) refusal.code = said.string_or("error");
  if (const json::Value* causes = said.find("root_causes")) {
    for (const auto& cause : rest::texts(causes)) refusal.message += (refusal.message.empty() ? "" : "; ") + cause;
  }
  const std::string& message = refusal.message;
  if (status == 422 && says(message, {"droplet limit", "will exceed your"})) {
    refusal.meaning = ErrorCode::QuotaExceeded;
  } else if (status == 422 && says(message, {"pending event", "already in progress"})) {
    refusal.meaning = ErrorCode::Conflict;
  } else if (status == 422 &&
             says(message, {"is not available in this region", "currently unavailable", "out of capacity"})) {
    refusal.meaning = ErrorCode::Unavailable;
    refusal.retry_after = std::chrono::minutes(5);
  }
  return refusal;
}

rest::Vendor vendor() {
  return {
      .name = "digitalocean",
      .endpoint = "https://api.digitalocean.com",
      .request_id = "x-request-id",
      .limit = "ratelimit-limit",
      .remaining = "ratelimit-remaining",
      .reset = "ratelimit-reset",
      // Its headers tell of the 5,000 an hour; that no more than 250 may fall into one minute stands in its documents.
      .allowance = {.burst = 250, .burst_period = std::chrono::minutes(1), .refill = 0},
      .read_refusal = read_refusal};
}

rest::Page read_page(const json::Value& body, const std::string& name) {
  return {.rows = rest::rows(body, name),
          .total = rest::part(body, "meta").int_or("total", -1),
          .last = body.at({"links", "pages", "next"}) == nullptr};
}

}  // namespace

Api::Api(const ProviderParts& parts, const ProviderSettings& settings)
    : Calls(parts, settings, vendor(), settings.endpoint, rest::token_of(settings, "an API token of DigitalOcean"), "",
            kPageSize, read_page) {}

Task<> Api::tag(std::string type, std::string id, Mark mark) {
  const std::string name = tag_of(mark);
  co_await send("POST", "/v2/tags", "/v2/tags", json::Object{{"name", name}}, name);
  co_await send("POST", "/v2/tags/" + percent_encode(name) + "/resources", "/v2/tags/{tag}/resources",
                json::Object{{"resources", json::Array{json::Object{{"resource_id", id}, {"resource_type", type}}}}},
                id);
}

std::string tag_of(const Mark& mark) { return std::string(kPrefix) + mark.role + "-" + mark.uid; }

std::optional<Mark> mark_of_tag(std::string_view tag) {
  if (!tag.starts_with(kPrefix)) return std::nullopt;
  tag.remove_prefix(kPrefix.size());
  const auto dash = tag.find('-');
  if (dash == 0 || dash == std::string_view::npos || dash + 1 == tag.size()) return std::nullopt;
  return Mark{.uid = std::string(tag.substr(dash + 1)), .role = std::string(tag.substr(0, dash))};
}

std::optional<Mark> mark_of_tags(const json::Value* tags) {
  for (const auto& tag : rest::texts(tags)) {
    if (auto mark = mark_of_tag(tag)) return mark;
  }
  return std::nullopt;
}

json::Value image_word(const ServerOrder& order) {
  if (!order.own_image) return order.image;
  return rest::number_of(order.image, "an image's id at DigitalOcean");
}

std::string image_name(const ImageOrder& order) {
  return order.name + "--" + tag_of(order.mark) + "-" +
         (order.content.empty() ? std::string(kNoContent) : order.content);
}

ImageMark read_image_name(std::string_view name) {
  ImageMark read{.name = std::string(name), .mark = {}, .content = {}};
  const auto at = name.rfind(kNameEnd);
  const auto dash = name.rfind('-');
  if (at == std::string_view::npos || dash <= at + kNameEnd.size()) return read;
  read.mark = mark_of_tag(name.substr(at + 2, dash - at - 2));
  if (!read.mark) return read;
  read.name = name.substr(0, at);
  read.content = name.substr(dash + 1);
  if (read.content == kNoContent) read.content.clear();
  return read;
}

}  // namespace gantry::providers::digitalocean
