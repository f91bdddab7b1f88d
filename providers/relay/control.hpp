// What the small programs of this folder are told over a socket: one HTTP request a connection. And answers of a few
// words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/byte_stream.hpp"
#include "providers/relay/request_head.hpp"

namespace gantry::providers::relay {

// Nothing when no whole head comes in time; what came after it goes to `rest`.
Task<std::optional<RequestHead>> read_head(Reactor& reactor, ByteStream& stream, Duration limit, std::string& rest);

struct ControlCall {
  RequestHead head;
  std::string body;
  bool asks_for_the_place() const { return head.method == "POST" && head.target == "/handover"; }
};
Task<std::optional<ControlCall>> read_control(Reactor& reactor, ByteStream& stream, Duration limit);

std::string answer(std::string_view status, std::string_view body, std::string_view more = {});

}  // namespace gantry::providers::relay
