// The body of a deploy: code in base64 may be more than the API holds of a request (3 MiB). How large one may be is the
// server's limit (Limits::streamed_bytes); how many are held at once is limited here. On the front's reactor.
#pragma once

#include <memory>
#include <string>

#include "controller/api/handler.hpp"

namespace gantry::deploy {

// Of one body. It is parsed in one piece, and what parses it does nothing else meanwhile.
inline constexpr std::size_t kBodyMax = std::size_t{64} << 20;

class LargeBody final : public api::BodySink {
 public:
  // Throws Error(RateLimited) from take() when there are too many.
  explicit LargeBody(std::shared_ptr<int> held) : held_(std::move(held)) { ++*held_; }
  ~LargeBody() override { --*held_; }
  LargeBody(const LargeBody&) = delete;
  LargeBody& operator=(const LargeBody&) = delete;

  Task<> take(std::string piece) override {
    // What any request may have is everybody's.
    if (text_.size() + piece.size() > kOrdinary && *held_ > kHeldMax) {
      Error error(ErrorCode::RateLimited, std::to_string(kHeldMax) + " deploys are being received");
      error.retry_after = std::chrono::seconds(5);
      throw error;
    }
    text_ += piece;
    co_return;
  }
  const std::string& text() const { return text_; }

 private:
  static constexpr std::size_t kOrdinary = 3 << 20;
  static constexpr int kHeldMax = 8;
  std::shared_ptr<int> held_;
  std::string text_;
};

}  // namespace gantry::deploy
