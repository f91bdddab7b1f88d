// How long people wait for a running controller: a killed replica until it answers again, a saved manifest until its
// object is there, an applied object until its status is. One thing at a time; prints JSON.
//   gantry_latency KUBECONFIG MANIFESTS_DIR [REPLICAS ROUNDS WRITES]
// MANIFESTS_DIR is what the controller was given as --manifests. The kind Server has no reconciler, so its status is
// what a no-op costs.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "controller/api/remote_client.hpp"
#include "controller/base/signal.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;

const auto kApps = object::Resource::of("gantry.dev", "apps");
const auto kServers = object::Resource::of("gantry.dev", "servers");

struct Times {
  std::vector<double> millis;
  void add(Duration time) { millis.push_back(std::chrono::duration<double, std::milli>(time).count()); }
  void print(const char* name, const char* end) {
    std::ranges::sort(millis);
    const auto at = [&](double share) {
      return millis.empty() ? 0 : millis[std::min(millis.size() - 1, static_cast<std::size_t>(share * millis.size()))];
    };
    std::printf("  \"%s\": {\"count\": %zu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}%s\n", name,
                millis.size(), at(0.5), at(0.99), at(1), end);
  }
};

// The process id that the demo server behind this port tells; 0 when nobody answers.
int pid_behind(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    constexpr std::string_view kAsk = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (::send(fd, kAsk.data(), kAsk.size(), MSG_NOSIGNAL) > 0) {
      char buffer[4096];
      for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(n));
    }
  }
  ::close(fd);
  const auto at = answer.find("process ");
  return at == std::string::npos ? 0 : std::atoi(answer.c_str() + at + 8);
}

class Bench {
 public:
  Bench(const std::string& kubeconfig, std::string manifests)
      : client_(reactor_, api::read_kubeconfig({kubeconfig})), manifests_(std::move(manifests)) {}

  int run(int replicas, int rounds, int writes) {
    reactor_.spawn(all(replicas, rounds, writes));
    reactor_.run();
    return failed_ ? 1 : 0;
  }

 private:
  Task<> all(int replicas, int rounds, int writes) {
    try {
      co_await kill_replicas(replicas, rounds);
      co_await save_and_apply(writes);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.message().c_str());
      failed_ = true;
    }
    std::printf("{\n");
    killed_.print("replica_killed_to_answering", ",");
    saved_.print("manifest_saved_to_object_seen", ",");
    applied_.print("applied_to_status_seen", "");
    std::printf("}\n");
    reactor_.stop();
  }

  Task<std::vector<int>> ports_when_ready(std::size_t replicas) {
    const Instant until = reactor_.now() + 2min;
    while (reactor_.now() < until) {
      const json::Value app = (co_await client_.find({kApps, "default", "latency"}))->decode();
      std::vector<int> ports;
      if (const json::Value* endpoints = app.at({"status", "endpoints"})) {
        for (const auto& one : endpoints->as_array()) {
          if (one.bool_or("ready", false)) ports.push_back(static_cast<int>(one.int_or("port", 0)));
        }
      }
      if (ports.size() == replicas) co_return ports;
      co_await sleep_for(reactor_, 20ms);
    }
    throw Error(ErrorCode::Timeout, "the App does not become ready");
  }

  // Each replica lives long enough between two of its deaths for the next start to come at once, and does not die three
  // times in a row: then it would be given another address.
  Task<> kill_replicas(int replicas, int rounds) {
    const std::string program = "$(GANTRY_BINARY)";
    json::Object spec{{"runtime", "process"},
                      {"replicas", replicas},
                      {"source", json::Object{{"code", json::Object{{"path", "/usr/share/common-licenses"}}}}},
                      {"command", json::Array{program, "demo"}},
                      {"ports", json::Array{json::Object{{"name", "http"}, {"port", 8080}}}}};
    spec.set("strategy", json::Object{{"maxSurge", "100%"}});
    json::Object app{{"apiVersion", "gantry.dev/v1alpha1"},
                     {"kind", "App"},
                     {"metadata", json::Object{{"name", "latency"}, {"namespace", "default"}}},
                     {"spec", std::move(spec)}};
    co_await client_.create(kApps, std::move(app));
    const auto ports = co_await ports_when_ready(static_cast<std::size_t>(replicas));
    for (int round = 0; round < rounds; ++round) {
      co_await sleep_for(reactor_, 11s);
      for (const int port : ports) {
        const int before = pid_behind(port);
        if (before <= 0) throw Error(ErrorCode::Unavailable, "a replica does not answer");
        const Instant start = reactor_.now();
        ::kill(before, SIGKILL);
        for (int now = 0; (now = pid_behind(port)) == 0 || now == before;) {
          if (reactor_.now() - start > 30s) throw Error(ErrorCode::Timeout, "a killed replica does not come back");
          std::this_thread::sleep_for(500us);
        }
        killed_.add(reactor_.now() - start);
      }
    }
    co_await client_.remove({kApps, "default", "latency"});
  }

  json::Value server(const std::string& name) const {
    return json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                        {"kind", "Server"},
                        {"metadata", json::Object{{"name", name}, {"namespace", "default"}}},
                        {"spec", json::Object{{"providerRef", json::Object{{"name", "none"}}}}}};
  }

  Task<> follow(std::unique_ptr<api::WatchStream> stream) {
    try {
      while (!done_) {
        for (const auto& change : co_await stream->next()) {
          const std::string& name = change.object->key().name;
          if (name == awaited_ && (!with_status_ || runtime_status(*change.object))) {
            awaited_.clear();
            arrived_ = reactor_.now();
            seen_.notify_all();
          }
        }
      }
    } catch (const Error& error) {
      if (!done_) std::fprintf(stderr, "the watch ended: %s\n", error.message().c_str());
    }
  }
  static bool runtime_status(const object::Object& object) {
    return object.bytes().find("NoReconciler") != std::string::npos;
  }

  Task<Instant> wait_for(const std::string& name) {
    const Instant until = reactor_.now() + 30s;
    while (!awaited_.empty() && reactor_.now() < until) co_await seen_.wait_until(until);
    if (!awaited_.empty()) throw Error(ErrorCode::Timeout, name + " was not seen");
    co_return arrived_;
  }

  Task<> save_and_apply(int writes) {
    const auto list = co_await client_.list(kServers);
    reactor_.spawn(follow(co_await client_.watch(kServers, list.revision)));
    for (int i = 0; i < writes; ++i) {
      const std::string name = "applied-" + std::to_string(i);
      awaited_ = name;
      with_status_ = true;
      const Instant start = reactor_.now();
      co_await client_.patch({kServers, "default", name}, api::PatchType::Apply, server(name));
      applied_.add(co_await wait_for(name) - start);
      co_await sleep_for(reactor_, 5ms);
    }
    for (int i = 0; i < writes; ++i) {
      const std::string name = "saved-" + std::to_string(i);
      const std::string path = manifests_ + "/" + name + ".json";
      std::ofstream(path + ".tmp") << json::dump(server(name));
      awaited_ = name;
      with_status_ = false;
      const Instant start = reactor_.now();
      if (::rename((path + ".tmp").c_str(), path.c_str()) != 0)
        throw Error(ErrorCode::Internal, "cannot write " + path);
      saved_.add(co_await wait_for(name) - start);
      co_await sleep_for(reactor_, 50ms);
    }
    done_ = true;
  }

  Reactor reactor_{"bench", system_clock()};
  api::RemoteClient client_;
  std::string manifests_;
  Times killed_, saved_, applied_;
  Signal seen_{reactor_};
  std::string awaited_;
  bool with_status_ = false;
  bool done_ = false;
  bool failed_ = false;
  Instant arrived_{};
};

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  if (argc != 3 && argc != 6) {
    std::fprintf(stderr, "usage: gantry_latency KUBECONFIG MANIFESTS_DIR [REPLICAS ROUNDS WRITES]\n");
    return 64;
  }
  const auto number = [&](int at, int otherwise) { return argc == 6 ? std::atoi(argv[at]) : otherwise; };
  return gantry::Bench(argv[1], argv[2]).run(number(3, 50), number(4, 2), number(5, 300));
}
