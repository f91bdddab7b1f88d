#include "controller/cli/remote_server.hpp"

#include "controller/api/remote_client.hpp"
#include "controller/base/parallel.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t kConnectionsMax = 24;  // for send_all; the server groups what arrives together into one fsync
constexpr std::size_t kRequestsPerConnection = 8;  // below this another handshake costs more than it wins
constexpr std::size_t kBodyMax = std::size_t{1} << 30;
constexpr Duration kForEver = std::chrono::hours(24 * 365);

// Warning: 299 - "text", with quotes and backslashes escaped.
std::string warning_text(std::string_view header) {
  const std::size_t first = header.find('"');
  const std::size_t last = header.rfind('"');
  if (first == std::string_view::npos || last <= first) return std::string(header);
  std::string text;
  for (std::size_t i = first + 1; i < last; ++i) {
    if (header[i] == '\\' && i + 1 < last) ++i;
    text += header[i];
  }
  return text;
}

Response to_response(http::Response answer) {
  Response response{
      .status = answer.status, .content_type = answer.header("Content-Type"), .body = std::move(answer.body)};
  for (const auto& [name, value] : answer.headers) {
    if (name == "Warning" || name == "warning") response.warnings.push_back(warning_text(value));
  }
  return response;
}

template <class T>
struct Finished {
  std::optional<T> value;
  std::exception_ptr failure;
  bool done = false;
};

template <class T>
Task<> finish(Task<T> task, Finished<T>& finished) {
  try {
    finished.value = co_await std::move(task);
  } catch (...) {  // thrown again by the caller of wait_for()
    finished.failure = std::current_exception();
  }
  finished.done = true;
}

// A command does one thing at a time, so the reactor runs only while it waits for an answer.
class RemoteServer final : public Server {
 public:
  RemoteServer(api::Kubeconfig config, Duration timeout, std::string source)
      : timeout_(timeout), source_(std::move(source)), client_(reactor_, std::move(config), timeout) {}

  std::string address() const override { return client_.config().server; }
  std::string default_namespace() const override { return client_.config().ns; }

  Response send(const Request& request) override { return wait_for(exchange(to_http(request))); }

  std::vector<Response> send_all(const std::vector<Request>& requests) override {
    std::vector<Response> responses(requests.size());
    if (!requests.empty()) wait_for(exchange_all(requests, responses));
    return responses;
  }

  bool stream(const Request& request, const std::function<bool(std::string_view)>& on_line,
              std::optional<Duration> timeout) override {
    return wait_for(follow(to_http(request), on_line, timeout));
  }

  void pause(Duration duration) override { wait_for(rest(duration)); }

 private:
  template <class T>
  T wait_for(Task<T> task) {
    Finished<T> finished;
    reactor_.spawn(finish(std::move(task), finished));
    reactor_.context().restart();
    while (!finished.done) reactor_.context().run_one();
    if (finished.failure) explain_and_throw(finished.failure);
    return std::move(*finished.value);
  }

  [[noreturn]] void explain_and_throw(const std::exception_ptr& failure) const {
    try {
      std::rethrow_exception(failure);
    } catch (const ServerError&) {
      throw;
    } catch (Error& error) {
      if (error.code() != ErrorCode::Unavailable || answered_) throw;
      throw Error(error.code(), error.message() + "\nIs a controller running there? The address comes from " + source_ +
                                    "; gantry controller --data-dir DIR writes DIR/kubeconfig.");
    }
  }

  http::Request to_http(const Request& request) const {
    http::Request out{
        .method = request.method, .url = request.path, .body = request.body, .timeout = timeout_, .body_max = kBodyMax};
    out.headers.emplace_back("Accept", request.accept);
    out.headers.emplace_back("User-Agent", "gantry");
    if (!request.content_type.empty()) out.headers.emplace_back("Content-Type", request.content_type);
    return out;
  }

  Task<Response> exchange(http::Request request) {
    http::Response answer = co_await client_.send(std::move(request));
    answered_ = true;
    co_return to_response(std::move(answer));
  }

  Task<> exchange_one(const Request& request, Response& response) { response = co_await exchange(to_http(request)); }

  Task<bool> exchange_all(const std::vector<Request>& requests, std::vector<Response>& responses) {
    const std::size_t connections =
        std::clamp<std::size_t>(requests.size() / kRequestsPerConnection, 1, kConnectionsMax);
    co_await for_each_at_most(reactor_, connections, requests.size(), [this, &requests, &responses](std::size_t i) {
      return exchange_one(requests[i], responses[i]);
    });
    co_return true;
  }

  Task<bool> rest(Duration duration) {
    co_await sleep_for(reactor_, duration);
    co_return true;
  }

  Task<bool> follow(http::Request request, const std::function<bool(std::string_view)>& on_line,
                    std::optional<Duration> timeout) {
    const Instant end = reactor_.now() + timeout.value_or(kForEver);
    request.timeout = std::min(request.timeout, timeout.value_or(kForEver));
    const auto stream = co_await client_.stream(std::move(request));
    answered_ = true;
    if (stream->status() != 200) {
      Response refusal{.status = stream->status(), .body = co_await stream->rest(1 << 20)};
      throw refusal.error();
    }
    bool late = false;
    Clock& clock = reactor_.clock();
    const Clock::TimerId timer = clock.call_at(reactor_, end, [&late, &stream] {
      late = true;
      stream->close();
    });
    const auto cancelled = [&clock](const Clock::TimerId* id) { clock.cancel(*id); };
    const std::unique_ptr<const Clock::TimerId, decltype(cancelled)> guard(&timer, cancelled);
    co_return co_await read_lines(*stream, on_line, late);
  }

  static Task<bool> read_lines(http::ResponseStream& stream, const std::function<bool(std::string_view)>& on_line,
                               const bool& late) {
    http::LineSplitter lines;
    while (true) {
      std::string piece;
      try {
        piece = co_await stream.next();
      } catch (const Error&) {  // cut off because the time is up, or by the network
        if (late) co_return false;
        throw;
      }
      if (piece.empty()) break;
      lines.feed(piece);
      while (const auto line = lines.next()) {
        if (!on_line(*line)) co_return true;
      }
    }
    if (!lines.rest().empty()) on_line(lines.rest());
    co_return true;
  }

  Duration timeout_;
  std::string source_;
  Reactor reactor_{"cli", system_clock()};
  api::RemoteClient client_;
  bool answered_ = false;
};

}  // namespace

std::unique_ptr<Server> connect_by_kubeconfig(const Flags& flags, const Environment& environment,
                                              const std::string& home) {
  const auto files = api::kubeconfig_files(flags.text("kubeconfig"), environment("KUBECONFIG"), home);
  api::Kubeconfig config = api::read_kubeconfig(files, flags.text("context"));
  const Duration given = flags.duration("request-timeout").value_or(Duration::zero());
  return std::make_unique<RemoteServer>(std::move(config), given > Duration::zero() ? given : kForEver,
                                        files.empty() ? "no file" : files.front());
}

}  // namespace gantry::cli
