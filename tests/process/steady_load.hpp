// Requests at a steady pace over kept-alive TLS connections, slow ones among them, each of which must be answered: what
// a deploy must not be noticed by. Runs on a thread of its own until stop().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gantry::process {

class SteadyLoad {
 public:
  struct Options {
    int port = 0;              // on 127.0.0.1
    std::string host;          // the name that is asked for, and that the certificate must carry
    std::string authority;     // PEM
    int connections = 20;      // for quick requests
    int per_second = 500;      // all of them together
    int slow_connections = 4;  // each with one slow request after the other
    std::string path = "/";
    std::string slow_path = "/slow?seconds=5";
  };
  struct Result {
    std::uint64_t answered = 0;
    std::uint64_t slow_answered = 0;
    std::uint64_t failed = 0;
    std::uint64_t reopened = 0;  // connections that the server closed between two requests, as it may
    double slowest_ms = 0;       // of the quick ones
    double p99_ms = 0;
    std::vector<std::string> failures;  // the first few, in words
  };
  explicit SteadyLoad(Options options);
  ~SteadyLoad();
  SteadyLoad(const SteadyLoad&) = delete;
  SteadyLoad& operator=(const SteadyLoad&) = delete;

  // Lets what is under way end.
  Result stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry::process
