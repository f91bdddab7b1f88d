// An emulated vendor behind a real socket, with real machines behind it and a Docker beside the controller that builds
// their images: all in a network of its own, which the calling thread is in for as long as this lives.
#pragma once

#include <iostream>
#include <optional>

#include "tests/emulators/server.hpp"
#include "tests/process/machines.hpp"
#include "tests/process/own_network.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::process {

template <class Emulator>
class RealCloud {
 public:
  explicit RealCloud(const emulators::Pace& pace) {
    if (trouble_ = network_.trouble(); !trouble_.empty()) return;
    machines_.emplace();
    if (trouble_ = machines_->trouble(); !trouble_.empty()) return;
    if (trouble_ = workshop_.start(); !trouble_.empty()) return;
    cloud_.hardware = &*machines_;
    cloud_.pace = pace;
    vendor_.emplace(reactor_, cloud_);
  }

  // Why there is none on this machine; empty: there is.
  const std::string& trouble() const { return trouble_; }
  std::string url() const { return vendor_->url(); }
  const std::string& token() const { return cloud_.token; }
  std::string docker_socket() const { return workshop_.socket(); }
  // What a controller needs to be found by the machines, and to build.
  std::vector<std::string> controller_arguments() const {
    return {"--listen",        "0.0.0.0:6443", "--advertise", Machines::host_address() + ":6443",
            "--docker-socket", docker_socket()};
  }
  Machines& machines() { return *machines_; }
  // On the vendor's thread: fn(Emulator&).
  template <class F>
  auto there(F fn) {
    return vendor_->there([&] { return fn(cloud_); });
  }
  void tell_all() {
    std::cout << machines_->logs();
    for (const auto& call : there([](Emulator& cloud) { return cloud.log(); })) std::cout << call << "\n";
  }

 private:
  // In this order they come, and go backwards: the machines use the Docker and the network, the vendor the machines.
  OwnNetwork network_{{}};
  std::optional<Machines> machines_;
  providers::local::Daemon workshop_;
  Reactor reactor_{"vendor", system_clock()};
  Emulator cloud_{reactor_};
  std::optional<emulators::EmulatorServer> vendor_;
  std::string trouble_;
};

}  // namespace gantry::process
