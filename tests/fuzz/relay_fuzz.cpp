// The relay's view of a request: our own headers never get through, everything else does as it came.
#include "providers/relay/request_head.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gantry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run([&] {
    const std::string text(fuzz::text_of(data, size));
    const auto head = providers::relay::parse_head(text);
    if (!head) return;
    fuzz::expect(head->text.size() <= text.size(), "nothing is added");
    const auto again = providers::relay::parse_head(head->text);
    fuzz::expect(again.has_value(), "what is passed on is a head");
    fuzz::expect(again->route.empty() && again->client.empty(),
                 "our headers are taken off, however often they stand there");
    fuzz::expect(again->text == head->text, "passing on twice changes nothing more");
    fuzz::expect(again->method == head->method && again->target == head->target, "the request stays what it was");
  });
  return 0;
}
