#include "controller/app/app_sources.hpp"

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/object/object.hpp"

namespace gantry::app {
namespace {

constexpr Duration kSweepEvery = std::chrono::minutes(10);
// What is younger may be about to be named by a Release.
constexpr Duration kYoung = std::chrono::hours(1);

}  // namespace

AppSources::AppSources(Reactor& loop, Blocking& blocking, api::Client& client, providers::WorkloadHost& host,
                       providers::agent::HostSet& hosts, std::string data_dir, std::string docker_socket,
                       Duration unused_images)
    : loop_(loop),
      client_(client),
      hosts_(hosts),
      unused_images_(unused_images),
      sources_(loop, blocking, data_dir),
      uploads_(loop, blocking, sources_, files::join(data_dir, "uploads")),
      workshop_(loop, blocking, host, {.folder = data_dir, .docker_socket = std::move(docker_socket), .host_id = {}}),
      builds_(loop, workshop_, workshop_, hosts),
      ending_(loop),
      gate_(loop) {}

Task<> AppSources::open(std::string host_id) {
  co_await sources_.open();
  co_await workshop_.open(std::move(host_id));
  loop_.spawn(sweep_for_ever(gate_.enter()));
}

Task<bool> AppSources::close() {
  ending_.notify_all();
  co_await gate_.close();
  const bool ended = co_await builds_.close();
  co_await workshop_.close();
  co_await sources_.close();
  co_return ended;
}

Task<> AppSources::sweep_for_ever(Gate::Pass) {
  while (!gate_.closed()) {
    co_await ending_.wait_until(loop_.now() + kSweepEvery);
    if (gate_.closed()) break;
    try {
      co_await sweep();
    } catch (const Error& error) {
      log::Logger("sources").warn("what is not needed any more could not be removed", {{"error", error.what()}});
    }
  }
}

Task<> AppSources::sweep() {
  std::set<std::string> digests;
  providers::Needed needed;
  for (const auto& object : (co_await client_.list(object::Resource::of("gantry.dev", "releases"), {})).items) {
    const json::Value release = object->decode();
    const std::string digest = release.text_at({"spec", "sourceDigest"});
    // An image's digest names no code; asking the store to keep it would be an error.
    if (release.at({"spec", "source", "image"})) {
      needed.images.insert(digest);
    } else if (digest.starts_with("sha256:")) {
      digests.insert(digest);
    }
    needed.keys.insert(release.text_at({"spec", "buildKey"}));
  }
  for (const auto& object : (co_await client_.list(object::Resource::of("gantry.dev", "apps"), {})).items) {
    const json::Value app = object->decode();
    digests.insert(app.text_at({"spec", "source", "code", "upload"}));
    needed.images.insert(app.text_at({"spec", "source", "image", "ref"}));
  }
  digests.erase("");
  needed.keys.erase("");
  needed.images.erase("");
  co_await sources_.keep_only(digests, kYoung);
  co_await builds_.sweep(needed, kYoung, unused_images_);
  for (const auto& host : hosts_.connected()) {
    std::optional<Error> failure;
    try {
      co_await host->prune(digests, needed, kYoung, unused_images_);
    } catch (const Error& error) {  // tidy: the next round sees to it
      failure = error;
    }
    if (failure) log::Logger("sources").warn("a Server could not be swept", {{"error", failure->message()}});
  }
}

}  // namespace gantry::app
