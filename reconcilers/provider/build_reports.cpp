#include "reconcilers/provider/build_reports.hpp"

#include "controller/base/digest.hpp"

namespace gantry::reconcilers::provider {

std::string BuildReports::token(const std::string& uid, const std::string& content) const {
  return hmac_sha256_hex(key_.reveal(), "build report\n" + uid + "\n" + content);
}

void BuildReports::expect(const std::string& token) {
  const std::scoped_lock hold(lock_);
  reports_.try_emplace(token);
}

bool BuildReports::put(std::string_view token, std::string text) {
  if (text.empty() || text.size() > kTextMax) return false;
  const std::scoped_lock hold(lock_);
  const auto expected = reports_.find(token);
  if (expected == reports_.end()) return false;
  expected->second = std::move(text);
  return true;
}

std::optional<std::string> BuildReports::find(const std::string& token) const {
  const std::scoped_lock hold(lock_);
  const auto found = reports_.find(token);
  if (found == reports_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

void BuildReports::forget(const std::string& token) {
  const std::scoped_lock hold(lock_);
  reports_.erase(token);
}

std::string last_lines(std::string_view text) {
  constexpr std::size_t kMost = 600;
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find_last_of("\r\n");
    const std::size_t start = end == std::string_view::npos ? 0 : end + 1;
    std::string line(text.substr(start));
    text = end == std::string_view::npos ? std::string_view() : text.substr(0, end);
    std::erase_if(line, [](unsigned char c) { return c < 0x20 || c >= 0x7f; });
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    if (out.size() + line.size() > kMost) {
      if (out.empty()) out = line.substr(0, kMost);
      break;
    }
    out = out.empty() ? line : line + "\n" + out;
  }
  return out;
}

}  // namespace gantry::reconcilers::provider
