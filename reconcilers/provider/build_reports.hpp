// What machines that build images say when something on them has come to nothing: without it nobody could know before
// the builder's time is over, nor why. A machine has no credentials of ours; it is told an address that cannot be
// guessed, and only what is expected is taken. Kept in memory: after a restart of the controller a report is lost if it
// was not read, and the builder's time decides as before. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/secret.hpp"

namespace gantry::reconcilers::provider {

class BuildReports {
 public:
  static constexpr std::size_t kTextMax = 16 << 10;  // bytes of one

  explicit BuildReports(Secret key) : key_(std::move(key)) {}

  // The last part of the address at which the builder of that content reports: the same after a restart.
  std::string token(const std::string& uid, const std::string& content) const;

  // From now on a report of it is taken.
  void expect(const std::string& token);
  // False: nobody expects it, or it says too much.
  bool put(std::string_view token, std::string text);
  std::optional<std::string> find(const std::string& token) const;
  void forget(const std::string& token);

 private:
  const Secret key_;
  mutable std::mutex lock_;
  std::map<std::string, std::string, std::less<>> reports_;  // by token; empty: expected
};

// The last lines of it that have something to say, for a condition: without what no terminal should be told.
std::string last_lines(std::string_view text);

}  // namespace gantry::reconcilers::provider
