// The narrow place between our C++23 and cpprestsdk, whose headers are C++20 at most: nothing but std in between.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gantry::http::cpprest {

struct Call {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds timeout;
  std::size_t body_max;
};

struct Answer {
  enum class Outcome { Answered, Unreachable, TimedOut, TooLarge, Invalid };
  Outcome outcome = Outcome::Answered;
  std::string why;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// done is called once, on a thread of cpprestsdk's. Throws nothing. What is returned gives the call up, from any
// thread; done is called then too, sooner or later.
std::function<void()> start(Call call, std::function<void(Answer)> done);

}  // namespace gantry::http::cpprest
