// The request target of HTTP, and where it leads.
#include "controller/api/http/target.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  api::HttpRequest request;
  const std::string problem = api::http::read_target(fuzz::text_of(data, size), request);
  if (!problem.empty()) return 0;
  for (const auto& segment : request.segments) {
    fuzz::expect(!segment.empty() && segment != "." && segment != "..", "a segment is a name");
    fuzz::expect(segment.find('/') == std::string::npos && segment.find('\0') == std::string::npos,
                 "a segment is one name");
  }
  return 0;
}
