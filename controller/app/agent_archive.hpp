// This program as other machines take it for their agent: one tar.gz with the program and the libraries that it has
// loaded, but for the C library's own, which every machine has. Packed once for each build, on a helper thread, and
// kept in DIR/agent-archive. On the loop's reactor; the file itself never changes once it is told.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/reactor.hpp"
#include "reconcilers/provider/user_data.hpp"

namespace gantry::app {

class AgentArchive {
 public:
  // base_url: where machines reach this controller, https://203.0.113.7:6443; empty: nowhere.
  AgentArchive(Reactor& loop, Blocking& blocking, std::string data_dir, std::string base_url, std::string version);

  ~AgentArchive() { *given_up_ = true; }
  AgentArchive(const AgentArchive&) = delete;
  AgentArchive& operator=(const AgentArchive&) = delete;

  // Begins to pack, unless that was done by an earlier start. `done` is called once, on the loop, however it went.
  void open(std::function<void()> done);
  reconcilers::provider::AgentSource source() const;
  // The file behind GET /agent/<sha256>.tar.gz; empty when there is none of that name. Any thread.
  std::string file_of(const std::string& name) const;

 private:
  struct Packed {
    std::string sha256;
    std::string problem;
  };
  using Flag = std::shared_ptr<std::atomic<bool>>;
  static Packed pack(const std::string& folder, const Flag& given_up);
  Task<> pack_and_tell(std::function<void()> done);

  Reactor& loop_;
  Blocking& blocking_;
  std::string folder_;
  std::string base_url_;
  std::string version_;
  bool pending_ = false;
  Flag given_up_ = std::make_shared<std::atomic<bool>>(false);  // the process ends: nobody waits for the archive
  std::string sha256_;
};

}  // namespace gantry::app
