// The whole of `gantry controller`: opens the store, serves the API on the front reactor (the caller's thread), runs
// the plane on the loop's (a thread of its own), and ends cleanly at SIGTERM. Apps go on without it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/reactor.hpp"
#include "controller/object/kind.hpp"

namespace gantry::app {

struct ControllerOptions {
  std::string data_dir;
  std::string manifests;                  // empty: none; else a Source "manifests" in namespace default
  std::string listen = "127.0.0.1:6443";  // ADDRESS:PORT; port 0: any
  std::string advertise;                  // HOST:PORT where other machines reach us; empty: they do not
  bool http = false;                      // plain HTTP; loopback only
  bool read_only = false;
  bool open_metrics = false;  // /metrics without credentials
  std::string docker_socket = "/var/run/docker.sock";
  Duration unused_images = std::chrono::hours(24);  // then what was pulled for Apps goes
  std::string reserve_cpu;                          // of this machine, not for Apps: "100m"; empty: a tenth
  std::string reserve_memory;                       // "512Mi"
  int http_port = 80;                               // where the proxy listens
  int https_port = 443;
  std::string caddy = "caddy";
  std::string acme_email;
  std::string acme_directory;
  std::string acme_ca;                               // PEM file
  Duration watch_history = std::chrono::minutes(5);  // how far back a watch or a page of a list may start
  std::vector<std::string> quotas;                   // apps.gantry.dev=100: in each namespace
  std::string audit_log;                             // empty: none
  std::size_t audit_bytes_max = 100 << 20;
  std::size_t audit_files_max = 10;
  bool audit_reads = false;
  Duration shutdown_grace = std::chrono::seconds(10);
};

class ControllerProcess {
 public:
  // Makes what a first start needs. Throws Error with what to do: another process has the directory, the port is taken,
  // ...
  explicit ControllerProcess(ControllerOptions options);
  ~ControllerProcess();

  // A guest runs on the loop once everything is ready; when it returns, the process ends with its exit code.
  using Guest = std::function<Task<int>(ControllerProcess&)>;
  // Blocks. The exit code.
  int run(Guest guest = {});

  // For a guest, on the loop.
  Reactor& loop();
  api::Client& client();
  const object::KindTable& kinds() const;
  // A signal has asked for the end.
  bool ending() const;
  Task<> wait_for_signal();
  std::string url() const;         // https://127.0.0.1:6443
  std::string kubeconfig() const;  // its path

 private:
  struct House;
  std::unique_ptr<House> house_;
};

}  // namespace gantry::app
