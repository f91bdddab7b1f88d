#include "controller/api/verbs/revisions.hpp"

#include "controller/api/status.hpp"
#include "controller/base/base64.hpp"

namespace gantry::api::verbs {
namespace {

constexpr Duration kPatience = std::chrono::seconds(3);
constexpr Duration kLookAgain = std::chrono::milliseconds(50);
constexpr std::string_view kTokenVersion = "meta.k8s.io/v1";

}  // namespace

Task<> wait_for(const Plane& plane, Revision revision) {
  const Instant deadline = plane.front.now() + kPatience;
  while (plane.store.revision() < revision) {
    if (plane.front.now() >= deadline) throw too_large_revision(revision, plane.store.revision());
    co_await sleep_for(plane.front, kLookAgain);
  }
}

std::string to_token(const Continue& position) {
  return base64_encode(json::dump(json::Object{{"name", position.after_name},
                                               {"ns", position.after_ns},
                                               {"rv", static_cast<std::int64_t>(position.revision)},
                                               {"v", kTokenVersion}}),
                       Alphabet::Url);
}

Continue parse_token(std::string_view token) {
  const auto text = base64_decode(token, Alphabet::Url);
  if (text && text->starts_with('{')) {
    try {
      const json::Value value = json::parse(*text);
      const std::int64_t revision = value.int_or("rv", -1);
      if (value.string_or("v") == kTokenVersion && revision >= 0) {
        return {static_cast<Revision>(revision), value.string_or("ns"), value.string_or("name")};
      }
    } catch (const Error&) {  // said below, for every way a token can be wrong
    }
  }
  throw Error(ErrorCode::BadRequest, "continue key is not valid: it was not written by this server");
}

Error expired_revision(Revision asked, Revision oldest) {
  return Error(ErrorCode::Expired,
               "too old resource version: " + std::to_string(asked) + " (" + std::to_string(oldest) + ")");
}

}  // namespace gantry::api::verbs
