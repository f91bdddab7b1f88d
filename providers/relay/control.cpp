#include "providers/relay/control.hpp"

#include <array>

#include "providers/relay/deadline.hpp"

namespace gantry::providers::relay {
namespace {

constexpr std::size_t kHeadMax = 256 << 10;
constexpr std::size_t kBodyMax = 64 << 20;

}  // namespace

Task<std::optional<RequestHead>> read_head(Reactor& reactor, ByteStream& stream, Duration limit, std::string& rest) {
  const Deadline deadline(reactor, limit, [&stream] { stream.close(); });
  std::string bytes;
  while (true) {
    const std::size_t before = bytes.size();
    bytes.resize(before + 8192);
    const std::size_t got = co_await stream.read(std::span(bytes.data() + before, 8192));
    bytes.resize(before + got);
    if (got == 0 || bytes.size() > kHeadMax) co_return std::nullopt;
    const auto end = bytes.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) continue;
    rest = bytes.substr(end + 4);
    bytes.resize(end + 4);
    co_return parse_head(bytes);
  }
}

Task<std::optional<ControlCall>> read_control(Reactor& reactor, ByteStream& stream, Duration limit) {
  ControlCall call;
  auto head = co_await read_head(reactor, stream, limit, call.body);
  if (!head) co_return std::nullopt;
  call.head = std::move(*head);
  const Deadline deadline(reactor, limit, [&stream] { stream.close(); });
  std::array<char, 16 << 10> piece;
  while (call.body.size() < call.head.content_length && call.body.size() <= kBodyMax) {
    const std::size_t got = co_await stream.read(piece);
    if (got == 0) co_return std::nullopt;
    call.body.append(piece.data(), got);
  }
  co_return call;
}

std::string answer(std::string_view status, std::string_view body, std::string_view more) {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + std::string(more) + "\r\n" + std::string(body);
}

}  // namespace gantry::providers::relay
