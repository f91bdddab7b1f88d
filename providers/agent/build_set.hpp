// Builds for this machine and for Servers, as one Builder. What is to run on Servers (BuildSpec::servers) is Done when
// each of them has it, or some have and the others have failed or are not done in time (BuildState::without):
//   an image is built once (here, or on the first of them where Docker is not here) and carried to the others;
//   a folder is built on each, from code that is sent there, with that host's own cache;
//   an image of a registry is pulled by each, and all have the same, also when its tag moves meanwhile.
// What an agent has done stays done there, so after a crash of ours the same is asked for again and costs a look.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/signal.hpp"
#include "providers/agent/host_set.hpp"
#include "providers/builder.hpp"

namespace gantry::providers::agent {

class BuildSet final : public Builder {
 public:
  // All must outlive the set. images: those that `here` has built.
  BuildSet(Reactor& reactor, Builder& here, ImageCarrier& images, HostSet& hosts);
  ~BuildSet() override;
  // What is under way on Servers goes on there. Nothing may be called afterwards. False when a call to one does not
  // come to an end: this must not be destroyed then.
  Task<bool> close();

  Task<BuildState> look(BuildSpec spec) override;
  Task<> begin(BuildSpec spec) override;
  std::string built_folder(const std::string& key) const override { return here_.built_folder(key); }
  void keep_only_build(const std::string& owner_uid, const std::string& key) override;
  void forget(const std::string& key) override;
  Task<std::unique_ptr<LogReader>> build_log(std::string owner_uid, bool follow) override;
  Task<> sweep(Needed needed, Duration younger, Duration unused) override;
  void on_change(OnChange callback) override;

 private:
  struct Job;
  struct Round;  // one step of a job, on all its Servers at once
  using JobPtr = std::shared_ptr<Job>;

  Task<> work(JobPtr job, BuildSpec spec, Gate::Pass pass);
  Task<> make(JobPtr job, BuildSpec spec);
  Task<> on_each(JobPtr job, std::size_t at_once, std::function<Task<>(std::string server)> call);
  Task<> do_next(JobPtr job, std::shared_ptr<Round> round, Gate::Pass pass);
  Task<std::string> build_on_one(JobPtr job, BuildSpec spec);
  Task<> pull(JobPtr job, BuildSpec spec, std::string server);
  Task<> build_here(JobPtr job, BuildSpec spec);
  Task<> build_there(JobPtr job, BuildSpec spec, std::string server);
  Task<> carry(JobPtr job, std::string image, std::string from, std::string to);
  Task<> end_there(std::shared_ptr<RemoteHost> host, std::string owner_uid, std::string key, Gate::Pass pass);
  // Until something may have changed. Throws Error(Cancelled) when the job is not wanted any more.
  Task<> wait(JobPtr job);
  void retry_on(const std::string& server);
  void tell(const std::string& owner_uid);

  Reactor& reactor_;
  Builder& here_;
  ImageCarrier& images_;
  HostSet& hosts_;
  std::map<std::string, JobPtr> jobs_;  // by key and Servers
  std::vector<OnChange> listeners_;
  bool closing_ = false;
  Signal changed_;
  Gate gate_;
  log::Logger log_{"builds"};
};

}  // namespace gantry::providers::agent
