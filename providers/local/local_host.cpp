#include "providers/local/local_host.hpp"

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/random.hpp"

namespace gantry::providers::local {
namespace {

// Made once for a data folder; two controllers on one machine have two.
std::string host_id_of(const std::string& folder) {
  const std::string path = folder + "/host-id";
  if (const auto known = files::read_file_if_exists(path, 1024)) {
    const std::string id = known->substr(0, known->find('\n'));
    if (!id.empty()) return id;
  }
  files::make_directories(folder, 0700);
  const std::string id = system_random().hex(8);
  files::write_file_atomically(path, id + "\n", 0600);
  return id;
}

void check_name(const std::string& name, std::string_view what) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  if (name.empty() || name.size() > 253 || name[0] == '.' || !std::ranges::all_of(name, good)) {
    throw Error(ErrorCode::Invalid,
                "the " + std::string(what) + " \"" + name + "\" is not valid; it consists of a-z, 0-9, - and .");
  }
}

}  // namespace

LocalHost::LocalHost(Reactor& reactor, Blocking& blocking, Options options)
    : reactor_(reactor), blocking_(blocking), options_(std::move(options)) {}

LocalHost::~LocalHost() = default;

Task<> LocalHost::open() {
  const std::string id = co_await blocking_.run(reactor_, [folder = options_.folder] { return host_id_of(folder); });
  id_ = id;
  processes_ = std::make_unique<ProcessHost>(
      reactor_, blocking_, ports_,
      ProcessHost::Options{.folder = options_.folder, .supervisor_program = options_.supervisor_program});
  containers_ = std::make_unique<DockerHost>(reactor_, blocking_, ports_,
                                             DockerHost::Options{.folder = options_.folder,
                                                                 .host_id = id,
                                                                 .socket_path = options_.docker_socket,
                                                                 .reachable = options_.reachable});
  const auto tell = [this](const std::string& owner) {
    if (listener_) listener_(owner);
  };
  processes_->on_change(tell);
  containers_->on_change(tell);
  co_await processes_->open();
  co_await containers_->open();
}

Task<> LocalHost::close() {
  if (processes_) co_await processes_->close();
  if (containers_) co_await containers_->close();
}

void LocalHost::on_change(OnChange callback) {
  if (!listener_) {
    listener_ = std::move(callback);
    return;
  }
  listener_ = [first = std::move(listener_), second = std::move(callback)](const std::string& owner) {
    first(owner);
    second(owner);
  };
}

WorkloadHost& LocalHost::host_of(const std::string& id) {
  if (containers_->knows(id)) return *containers_;
  return *processes_;
}

Task<std::vector<Instance>> LocalHost::list(std::string owner_uid) {
  auto all = co_await processes_->list(owner_uid);
  for (auto& it : co_await containers_->list(owner_uid)) all.push_back(std::move(it));
  co_return all;
}

std::string LocalHost::volume_folder(const std::string& ns, const std::string& app, const std::string& name) const {
  check_name(ns, "namespace");
  check_name(app, "App's name");
  check_name(name, "volume's name");
  return options_.folder + "/volumes/" + ns + "/" + app + "/" + name;
}

Task<Instance> LocalHost::start(InstanceSpec spec) {
  std::vector<std::string> folders;
  for (auto& volume : spec.volumes) {
    if (volume.host_path.empty()) {
      volume.host_path = volume_folder(spec.owner_namespace, spec.owner_name, volume.name);
      folders.push_back(volume.host_path);
    }
  }
  if (!folders.empty()) {
    co_await blocking_.run(reactor_, [folders] {
      for (const auto& folder : folders) files::make_directories(folder, 0755);
    });
  }
  const bool docker = spec.runtime == InstanceSpec::Runtime::Docker;
  if (docker) co_return co_await containers_->start(std::move(spec));
  co_return co_await processes_->start(std::move(spec));
}

Task<> LocalHost::stop(std::string id) { co_await host_of(id).stop(id); }

Task<> LocalHost::remove(std::string id, bool logs_too) {
  // What nobody knows any more may have left logs with either.
  if (!processes_->knows(id)) co_await containers_->remove(id, logs_too);
  if (!containers_->knows(id)) co_await processes_->remove(id, logs_too);
}

Task<std::unique_ptr<LogReader>> LocalHost::logs(std::string id, LogQuery query) {
  co_return co_await host_of(id).logs(id, query);
}

Task<std::string> LocalHost::log_tail(std::string id, std::size_t lines) {
  std::string text = co_await host_of(id).log_tail(id, lines);
  if (text.empty() && !processes_->knows(id) && !containers_->knows(id))
    text = co_await containers_->log_tail(id, lines);
  co_return text;
}

Task<std::vector<InstanceUsage>> LocalHost::usage(std::string owner_uid) {
  auto all = co_await processes_->usage(owner_uid);
  for (auto& one : co_await containers_->usage(owner_uid)) all.push_back(std::move(one));
  co_return all;
}

Task<std::string> LocalHost::ensure_image(std::string reference) {
  co_return co_await containers_->ensure_image(std::move(reference));
}

}  // namespace gantry::providers::local
