#include "controller/agent/agent_keys.hpp"

#include <algorithm>
#include <sstream>

#include "controller/base/digest.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/secret.hpp"

namespace gantry::agent {
namespace {

constexpr std::size_t kShortest = 16;
constexpr std::size_t kLongest = 256;

void check_key(const std::string& key, const std::string& where) {
  const auto good = [](char c) { return c > 0x20 && c < 0x7f; };
  if (key.size() >= kShortest && key.size() <= kLongest && std::ranges::all_of(key, good)) return;
  throw Error(ErrorCode::Invalid, where + ": a key has " + std::to_string(kShortest) + " to " +
                                      std::to_string(kLongest) + " printable characters without blanks");
}

}  // namespace

AgentKeys::AgentKeys(std::string path, Clock& clock, Random& random)
    : Authenticator(Options{.open_paths = {}}), path_(std::move(path)), clock_(clock) {
  if (const auto text = files::read_file_if_exists(path_, 64 << 10)) {
    if (files::readable_by_others(path_))
      throw Error(ErrorCode::Forbidden, path_ + " can be read by others; chmod 600 it (and, if somebody has, rotate)");
    read(*text);
    return;
  }
  keys_.push_back(make(random.hex(16), std::nullopt));
  write();
}

AgentKeys::Key AgentKeys::make(std::string text, std::optional<WallTime> until) {
  log::redact(text);
  std::string digest = sha256_hex(text);
  return {std::move(text), std::move(digest), until};
}

void AgentKeys::read(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string key, word, until;
    if (!(words >> key) || key.starts_with('#')) continue;
    const std::string where = path_ + ":" + std::to_string(number);
    check_key(key, where);
    std::optional<WallTime> end;
    if (words >> word) {
      if (word != "until" || !(words >> until)) throw Error(ErrorCode::Invalid, where + ": expected KEY until TIME");
      end = parse_time(until);
    }
    keys_.push_back(make(std::move(key), end));
  }
  if (keys_.empty() || keys_.front().until)
    throw Error(ErrorCode::Invalid,
                path_ + ": its first line must be the current key; remove the file to have one made");
}

void AgentKeys::write() const {
  std::string text;
  for (const auto& key : keys_) text += key.text + (key.until ? " until " + format_time(*key.until) : "") + "\n";
  files::write_file_atomically(path_, text, 0600);
}

std::optional<api::User> AgentKeys::identify(const tls::Identity*, std::string_view key) const {
  const std::string digest = sha256_hex(key);
  bool found = false;
  for (const auto& each : keys_) {
    const bool same = equal_in_constant_time(digest, each.digest);
    found = (same && opens(each)) || found;
  }
  if (!found || key.empty()) return std::nullopt;
  return api::User{.name = "controller", .uid = {}, .groups = {}};
}

std::string AgentKeys::keyed(std::string_view text) const { return hmac_sha256_hex(keys_.front().text, text); }

std::size_t AgentKeys::accepted() const {
  return static_cast<std::size_t>(std::ranges::count_if(keys_, [this](const Key& key) { return opens(key); }));
}

std::uint64_t AgentKeys::revision() const { return rotations_ << 16 | accepted(); }

void AgentKeys::rotate(const std::string& key, Duration overlap) {
  check_key(key, "key");
  if (keys_.front().text == key) return;
  const auto before = keys_;
  const WallTime end = clock_.wall() + overlap;
  std::erase_if(keys_, [&](const Key& each) { return each.text == key || !opens(each); });
  for (auto& each : keys_) each.until = each.until ? std::min(*each.until, end) : end;
  keys_.insert(keys_.begin(), make(key, std::nullopt));
  try {
    write();
  } catch (const Error&) {
    keys_ = before;
    throw;
  }
  ++rotations_;
}

}  // namespace gantry::agent
