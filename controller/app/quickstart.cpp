#include "controller/app/quickstart.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>

#include "controller/base/files.hpp"
#include "controller/base/yaml.hpp"
#include "crds/local_paths.hpp"

namespace gantry::app {
namespace {

namespace fs = std::filesystem;

struct Standing {
  bool ready = false;
  std::string text;  // "2 of 2 replicas are ready"
  json::Array urls;
};

class Quickstart {
 public:
  Quickstart(ControllerProcess& process, const QuickstartOptions& options, std::ostream& out)
      : process_(process), options_(options), out_(out) {}

  Task<int> run() {
    out_ << "The API is served at " << process_.url() << "\n\n";
    co_await apply_folder();
    const bool ready = co_await until_ready();
    if (ready) {
      print_next_steps();
      if (!options_.exit_when_ready) co_await process_.wait_for_signal();
    }
    out_ << "\nStopping the Apps ...\n" << std::flush;
    co_await remove_everything();
    co_return ready ? 0 : process_.ending() ? 130 : 1;
  }

 private:
  object::KindPtr kind_of(const json::Value& object) const {
    return process_.kinds().find_kind(object.string_or("apiVersion"), object.string_or("kind"));
  }

  Task<> apply_folder() {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(options_.manifests)) {
      if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
      for (const auto& document : yaml::parse_all(files::read_file(path))) {
        if (!document.error.empty()) throw Error(ErrorCode::Invalid, path.string() + ": " + document.error);
        co_await apply(document.value);
      }
    }
  }

  Task<> apply(json::Value object) {
    const auto kind = kind_of(object);
    if (!kind)
      throw Error(ErrorCode::Invalid, "manifests/quickstart: kind \"" + object.string_or("kind") + "\" is not served");
    const std::string name = object.find("metadata")->string_or("name");
    const std::string ns =
        kind->namespaced ? object.find("metadata")->string_or("namespace", "default") : std::string();
    crds::make_paths_absolute(object, fs::absolute(options_.manifests).string());
    if (const json::Value* path = object.at({"spec", "directory", "path"}))
      out_ << "Manifests are watched in " << path->as_string() << "\n";
    const object::Key key{kind->resource, ns, name};
    co_await process_.client().patch(key, api::PatchType::Apply, std::move(object),
                                     {.field_manager = "gantry", .force = true});
    applied_.push_back(key);
  }

  // The objects of our own kinds that have been brought in so far, and how they stand.
  Task<std::map<std::string, Standing>> look() {
    std::map<std::string, Standing> found;
    for (const auto& kind : process_.kinds().all()) {
      if (kind->group != "gantry.dev" || kind->kind == "Release") continue;
      const api::List list = co_await process_.client().list(kind->resource);
      for (const auto& object : list.items)
        found[kind->singular + "/" + object->key().name] = standing_of(object->decode());
    }
    co_return found;
  }

  static Standing standing_of(const json::Value& object) {
    Standing standing;
    const std::int64_t generation = object.find("metadata")->int_or("generation", 0);
    if (const json::Value* conditions = object.at({"status", "conditions"})) {
      for (const auto& condition : conditions->as_array()) {
        if (condition.string_or("type") != "Ready") continue;
        standing.ready =
            condition.string_or("status") == "True" && condition.int_or("observedGeneration", 0) == generation;
        standing.text = condition.string_or("message");
      }
    }
    if (const json::Value* urls = object.at({"status", "urls"})) standing.urls = urls->as_array();
    return standing;
  }

  Task<bool> until_ready() {
    const Instant deadline = process_.loop().now() + options_.patience;
    std::map<std::string, std::string> shown;
    while (!process_.ending() && process_.loop().now() < deadline) {
      last_ = co_await look();
      // A Source is ready a moment before the first of its Apps is there to be seen: one App at least is waited for.
      bool all = false;
      for (const auto& [name, standing] : last_) {
        all = all || name.starts_with("app/");
        const std::string line =
            (standing.ready ? "ready    " : "waiting  ") + name + (standing.text.empty() ? "" : "  " + standing.text);
        if (shown[name] != line) out_ << "  " << (shown[name] = line) << "\n" << std::flush;
      }
      for (const auto& [name, standing] : last_) all = all && standing.ready;
      if (all) co_return true;
      co_await sleep_for(process_.loop(), std::chrono::milliseconds(50));
    }
    if (!process_.ending()) {
      out_ << "\nNot everything became ready within " << human_duration(options_.patience) << ":\n";
      for (const auto& [name, standing] : last_) {
        if (!standing.ready)
          out_ << "  " << name << ": " << (standing.text.empty() ? "not looked at yet" : standing.text) << "\n";
      }
      out_ << "Look closer with: gantry describe TYPE/NAME --kubeconfig " << process_.kubeconfig() << "\n"
           << std::flush;
    }
    co_return false;
  }

  void print_next_steps() {
    out_ << "\nEverything is ready.\n\n";
    for (const auto& [name, standing] : last_) {
      for (const auto& url : standing.urls) out_ << "  " << name << "   " << url.as_string() << "\n";
    }
    out_ << "\n  metrics     " << process_.url() << "/metrics"
         << "\n  kubectl     kubectl --kubeconfig " << process_.kubeconfig() << " get apps -w"
         << "\n  or          export KUBECONFIG=" << process_.kubeconfig() << "; gantry get all\n";
    if (!options_.exit_when_ready) {
      out_ << "\nTry it: edit " << options_.manifests
           << "/apps/hello.yaml and save; kill a replica; run gantry plan -f on your change."
           << "\nCtrl-C ends this, and the Apps with it.\n";
    }
    out_ << std::flush;
  }

  // What was applied goes, and the Source takes with it what it brought; the Apps' processes are gone when the Apps
  // are.
  Task<> remove_everything() {
    for (const auto& key : applied_) {
      try {
        co_await process_.client().remove(key);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound) throw;
      }
    }
    const auto apps = object::Resource::of("gantry.dev", "apps");
    const Instant deadline = process_.loop().now() + std::chrono::seconds(30);
    bool asked = false;
    while (process_.loop().now() < deadline) {
      const api::List left = co_await process_.client().list(apps);
      bool sources = false;
      for (const auto& key : applied_) sources = sources || co_await process_.client().find(key) != nullptr;
      if (left.items.empty() && !sources) co_return;
      if (!sources && !std::exchange(asked, true)) {
        for (const auto& app : left.items) co_await process_.client().remove(app->key());
      }
      co_await sleep_for(process_.loop(), std::chrono::milliseconds(20));
    }
    out_ << "Some Apps did not stop within 30 s and go on running.\n";
  }

  ControllerProcess& process_;
  const QuickstartOptions& options_;
  std::ostream& out_;
  std::vector<object::Key> applied_;
  std::map<std::string, Standing> last_;
};

Task<int> guest(ControllerProcess& process, const QuickstartOptions& options, std::ostream& out) {
  Quickstart quickstart(process, options, out);
  co_return co_await quickstart.run();
}

}  // namespace

int run_quickstart(const QuickstartOptions& options, std::ostream& out) {
  if (!fs::is_directory(options.manifests)) {
    throw Error(
        ErrorCode::NotFound,
        "the folder " + options.manifests +
            " is not here; run this where Gantry's repository is checked out, or name a folder with --manifests");
  }
  std::string directory = options.data_dir;
  const bool temporary = directory.empty();
  if (temporary) {
    std::string pattern = (fs::temp_directory_path() / "gantry-quickstart-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw Error(ErrorCode::Unavailable, "cannot make a directory like " + pattern);
    directory = pattern;
  }
  out << "Gantry quickstart, in " << directory << "\n";
  int code = 1;
  {
    ControllerOptions controller;
    controller.data_dir = directory;
    controller.listen = options.listen;
    ControllerProcess process(controller);
    code = process.run([&](ControllerProcess& running) { return guest(running, options, out); });
  }
  if (temporary) {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }
  return code;
}

}  // namespace gantry::app
