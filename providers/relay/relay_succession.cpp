// One relay after the other: the old one tells what it still has under way, the new one counts that as its own, so that
// no instance is stopped under a request of either.
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "controller/base/byte_stream.hpp"
#include "controller/base/error.hpp"
#include "controller/base/unix_transport.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/relay_instance.hpp"

namespace gantry::providers::relay {
namespace {

constexpr Duration kGlance = std::chrono::milliseconds(100);

}  // namespace

bool Relay::inherits() const {
  return std::ranges::any_of(serving_, [](const auto& backend) {
    const auto inherited = [](const InstancePtr& one) { return one->inherited > 0; };
    return std::ranges::any_of(backend.second.instances, inherited) ||
           std::ranges::any_of(backend.second.draining, inherited);
  });
}

Task<> Relay::leave(ByteStream& successor, int descriptor) {
  if (!give_ || !give_(descriptor)) {
    successor.close();
    co_return;
  }
  std::string told;
  while (open_ > 0 || inherits()) {
    // Without a listener there is nobody to tell, and the requests are finished all the same.
    std::string now = json::dump(state()) + "\n";
    if (now != told && !successor.closed()) (void)co_await successor.write(now);
    told = std::move(now);
    co_await sleep_for(reactor_, kGlance);
  }
  successor.close();
  if (end_) end_();
}

Task<> Relay::inherit_from(int connection) {
  ByteStream predecessor(reactor_, connection);
  std::array<char, 16 << 10> piece;
  http::LineSplitter lines;
  while (const std::size_t got = co_await predecessor.read(piece)) {
    lines.feed(std::string_view(piece.data(), got));
    while (const auto line = lines.next()) inherit(json::parse(*line));
  }
  inherit({});
}

void Relay::inherit(const json::Value& state) {
  for (auto& [name, serving] : serving_) {
    for (auto& one : serving.instances) one->inherited = 0;
    for (auto& one : serving.draining) one->inherited = 0;
  }
  const json::Value* backends = state.find("backends");
  for (const auto& [name, backend] : backends ? backends->as_object() : json::Object()) {
    const json::Value* upstreams = backend.find("upstreams");
    for (const auto& told : upstreams ? upstreams->as_array() : json::Array()) {
      const auto count = static_cast<int>(told.int_or("inFlight", 0));
      if (count == 0) continue;
      Serving& serving = serving_[name];
      const auto same = [&](const InstancePtr& one) {
        return one->is(told.string_or("id"), static_cast<int>(told.int_or("port", 0)), told.string_or("address"));
      };
      auto at = std::ranges::find_if(serving.instances, same);
      if (at == serving.instances.end()) {
        at = std::ranges::find_if(serving.draining, same);
        if (at == serving.draining.end()) {
          auto one = std::make_shared<Instance>();
          one->id = told.string_or("id");
          one->port = static_cast<int>(told.int_or("port", 0));
          one->address = told.string_or("address");
          one->removed = reactor_.now() - std::chrono::milliseconds(told.int_or("drainingMillis", 0));
          at = serving.draining.insert(serving.draining.end(), std::move(one));
        }
      }
      (*at)->inherited = count;
    }
  }
}

std::string program_identity(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) + ":" + std::to_string(found.st_size) + ":" +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec);
}

}  // namespace gantry::providers::relay
