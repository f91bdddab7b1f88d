#include "controller/cli/fetch.hpp"

#include "controller/base/cpprest_transport.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t kManifestMax = 16 << 20;

struct Fetched {
  http::Response response;
  std::exception_ptr failure;
  bool done = false;
};

Task<> fetch_into(http::Transport& transport, std::string url, Fetched& fetched) {
  try {
    http::Request request;
    request.url = std::move(url);
    request.body_max = kManifestMax;
    fetched.response = co_await transport.send(std::move(request));
  } catch (...) {  // thrown again by fetch()
    fetched.failure = std::current_exception();
  }
  fetched.done = true;
}

}  // namespace

std::string fetch(Context& context, const std::string& url) {
  Reactor reactor("fetch", context.clock());
  http::CpprestTransport transport(reactor);
  Fetched fetched;
  reactor.spawn(fetch_into(transport, url, fetched));
  while (!fetched.done) reactor.context().run_one();
  if (fetched.failure) std::rethrow_exception(fetched.failure);
  if (fetched.response.status != 200) {
    throw Error(ErrorCode::Unavailable,
                "fetching it was answered with HTTP status " + std::to_string(fetched.response.status));
  }
  return std::move(fetched.response.body);
}

}  // namespace gantry::cli
