// Builds on this machine. Images by Docker; folders by running the build command as an instance of this machine's
// processes, so that it has their limits, log and supervisor, and is found again after a restart of the controller.
//
// What was made is written down in DIR/builds/<key>: result.json, the log, and for a folder its tree. A result appears
// only when what it speaks of is whole. Failures are remembered for a while that grows, and then tried again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/builder.hpp"
#include "providers/local/build_log.hpp"
#include "providers/local/docker_build.hpp"
#include "providers/local/docker_engine.hpp"
#include "providers/local/image_ledger.hpp"

namespace gantry::providers::local {

class Workshop final : public Builder, public ImageCarrier {
 public:
  struct Options {
    std::string folder;  // holds builds/ and caches/
    std::string docker_socket = "/var/run/docker.sock";
    std::string host_id = {};
  };
  // host: where build commands run.
  Workshop(Reactor& reactor, Blocking& blocking, WorkloadHost& host, Options options);
  ~Workshop() override;

  // host_id: what images are marked with.
  Task<> open(std::string host_id);
  // Docker's builds end; build commands go on. Nothing may be called afterwards.
  Task<> close();

  Task<BuildState> look(BuildSpec spec) override;
  Task<> begin(BuildSpec spec) override;
  Task<bool> builds_images() override;
  std::string built_folder(const std::string& key) const override { return place_of(key) + "/tree"; }
  void keep_only_build(const std::string& owner_uid, const std::string& key) override;
  void forget(const std::string& key) override;
  Task<std::unique_ptr<LogReader>> build_log(std::string owner_uid, bool follow) override;
  Task<> sweep(Needed needed, Duration younger, Duration unused) override;
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

  Task<bool> has_image(std::string image) override;
  Task<std::string> pull_image(std::string reference) override;
  Task<std::unique_ptr<LogReader>> save_image(std::string image) override;
  Task<> load_image(std::function<Task<std::string>()> more) override;

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;

  std::string place_of(const std::string& key) const { return options_.folder + "/builds/" + key; }
  Task<bool> is_there(JobPtr job, const BuildSpec& spec);
  Task<> work(JobPtr job, BuildSpec spec, Gate::Pass pass);
  Task<> make(JobPtr job, const BuildSpec& spec);
  Task<> make_folder(JobPtr job, const BuildSpec& spec);
  Task<Instance> wait_for(std::string owner, std::string id, Instant deadline, JobPtr job);
  Task<> write_down(JobPtr job);
  // Containers of builds that failed; what cannot be removed now is tried again before the next build and by the sweep.
  Task<> remove_leftovers();
  Task<> remove_container(std::string id);
  Task<> remove_untold(DockerBuild::Traces traces, WallTime began);
  // Of the images that a failed build spoke of those that it made.
  Task<> keep_account(std::vector<std::string> layers, WallTime began);
  Task<> end_leftover(std::string owner, std::string id, Gate::Pass pass);
  JobPtr newest_of(const std::string& owner_uid) const;
  class LogOfBuild;
  void fail(const JobPtr& job, const Error& error);
  void tell(const std::string& owner_uid);

  Reactor& reactor_;
  Blocking& blocking_;
  WorkloadHost& host_;
  Options options_;
  DockerEngine engine_;
  ImageLedger ledger_;
  std::vector<std::pair<DockerBuild::Traces, WallTime>> leftovers_;  // and when that build began
  std::map<std::string, JobPtr> jobs_;                               // by key
  std::vector<OnChange> listeners_;
  bool building_ = false;
  bool closing_ = false;
  Signal turn_;
  Signal exits_;
  Gate gate_;
  log::Logger log_{"workshop"};
};

}  // namespace gantry::providers::local
