// What every fuzz target shares. A target feeds bytes to a parser: Error is an answer, anything else is a bug.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "controller/base/error.hpp"

namespace gantry::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The two halves of an input, on both sides of the first line that is "---".
inline std::pair<std::string_view, std::string_view> halves(std::string_view text) {
  constexpr std::string_view kBetween = "\n---\n";
  const auto at = text.find(kBetween);
  if (at == std::string_view::npos) return {text, std::string_view("")};
  return {text.substr(0, at), text.substr(at + kBetween.size())};
}

inline void expect(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "broken: " << what << '\n';
  std::abort();
}

template <class F>
void run(const F& fn) {
  try {
    fn();
  } catch (const Error&) {  // the input was refused, as it may be
  }
}

}  // namespace gantry::fuzz
