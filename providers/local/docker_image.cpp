#include "providers/local/docker_image.hpp"

#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "providers/local/docker_format.hpp"

namespace gantry::providers::local {
namespace {

constexpr Duration kPullLimit = std::chrono::minutes(15);

std::string digest_of(const json::Value& image) {
  const json::Value* known = image.find("RepoDigests");
  if (known && known->is_array() && !known->as_array().empty()) return known->as_array()[0].as_string();
  return image.string_or("Id");
}

}  // namespace

ImageName parse_image(std::string_view reference) {
  if (reference.empty() || reference.find_first_of(" \t\n?&#%") != std::string_view::npos) {
    throw Error(ErrorCode::Invalid,
                "\"" + std::string(reference) + "\" is no image reference; expected such as nginx:1.27");
  }
  if (reference.find('@') != std::string_view::npos) return {std::string(reference), ""};
  const auto colon = reference.rfind(':');
  const auto slash = reference.rfind('/');
  // A colon before the last slash belongs to the registry's port.
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash))
    return {std::string(reference), "latest"};
  return {std::string(reference.substr(0, colon)), std::string(reference.substr(colon + 1))};
}

std::string pull_error(std::string_view progress) {
  while (!progress.empty()) {
    const auto end = progress.find('\n');
    const std::string_view line = progress.substr(0, end);
    progress.remove_prefix(end == std::string_view::npos ? progress.size() : end + 1);
    if (line.find("\"error") == std::string_view::npos) continue;
    const json::Value report = json::parse(line);
    if (const std::string error = report.string_or("error"); !error.empty()) return error;
  }
  return "";
}

Task<std::string> find_image(DockerEngine& engine, std::string reference) {
  parse_image(reference);
  std::optional<Error> failure;
  json::Value image;
  try {
    image = co_await engine.call("looking for the image " + reference, "GET", "/images/" + reference + "/json");
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return digest_of(image);
  if (failure->code() != ErrorCode::NotFound) throw *failure;
  co_return "";
}

Task<std::string> ensure_image(DockerEngine& engine, std::string reference) {
  const ImageName name = parse_image(reference);
  if (std::string here = co_await find_image(engine, reference); !here.empty()) co_return here;
  log::Logger("docker-host").info("pulling an image", {{"image", reference}});
  std::string query = "/images/create?fromImage=" + query_escape(name.from);
  if (!name.tag.empty()) query += "&tag=" + query_escape(name.tag);
  const std::string doing = "pulling the image " + reference;
  const std::string progress = co_await engine.text(doing, "POST", query, kPullLimit);
  if (const std::string error = pull_error(progress); !error.empty())
    throw Error(ErrorCode::NotFound, doing + ": " + error);
  std::string pulled = co_await find_image(engine, reference);
  if (pulled.empty()) throw Error(ErrorCode::NotFound, doing + ": Docker said it was done, but the image is not there");
  co_return pulled;
}

}  // namespace gantry::providers::local
