#include "tests/cli/scripted_server.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace gantry::cli {
namespace {

constexpr const char* kCore = R"({"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[
 {"metadata":{"name":""},"versions":[{"version":"v1","freshness":"Current","resources":[
  {"resource":"namespaces","responseKind":{"group":"","version":"v1","kind":"Namespace"},"scope":"Cluster","singularResource":"namespace","shortNames":["ns"],"verbs":["get","list","delete"]},
  {"resource":"configmaps","responseKind":{"group":"","version":"v1","kind":"ConfigMap"},"scope":"Namespaced","singularResource":"configmap","shortNames":["cm"],"verbs":["get","list","delete"]},
  {"resource":"secrets","responseKind":{"group":"","version":"v1","kind":"Secret"},"scope":"Namespaced","singularResource":"secret","verbs":["get","list","delete"]},
  {"resource":"events","responseKind":{"group":"","version":"v1","kind":"Event"},"scope":"Namespaced","singularResource":"event","shortNames":["ev"],"verbs":["get","list"]}]}]}]})";

constexpr const char* kGroups = R"({"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[
 {"metadata":{"name":"gantry.dev"},"versions":[{"version":"v1alpha1","freshness":"Current","resources":[
  {"resource":"apps","responseKind":{"group":"gantry.dev","version":"v1alpha1","kind":"App"},"scope":"Namespaced","singularResource":"app","shortNames":["ap"],"categories":["gantry","all"],"verbs":["create","delete","get","list","patch","update","watch"]},
  {"resource":"releases","responseKind":{"group":"gantry.dev","version":"v1alpha1","kind":"Release"},"scope":"Namespaced","singularResource":"release","shortNames":["rel"],"categories":["gantry","all"],"verbs":["get","list","watch"]},
  {"resource":"providers","responseKind":{"group":"gantry.dev","version":"v1alpha1","kind":"Provider"},"scope":"Namespaced","singularResource":"provider","verbs":["get"]},
  {"resource":"servers","responseKind":{"group":"gantry.dev","version":"v1alpha1","kind":"Server"},"scope":"Namespaced","singularResource":"server","verbs":["get"]}]}]}]})";

class ScriptedServer final : public Server {
 public:
  explicit ScriptedServer(Script& script) : script_(script) {}

  std::string address() const override { return "https://127.0.0.1:6443"; }
  std::string default_namespace() const override { return "default"; }

  Response send(const Request& request) override {
    script_.asked.push_back(request);
    const auto found = script_.answers.find(request.method + " " + request.path);
    if (found == script_.answers.end()) {
      return {.status = 404,
              .content_type = "application/json",
              .body = status(404, "NotFound", "unscripted: " + request.method + " " + request.path)};
    }
    std::vector<Response>& queue = found->second;
    Response answer = queue.front();
    if (queue.size() > 1) queue.erase(queue.begin());
    return answer;
  }

  bool stream(const Request& request, const std::function<bool(std::string_view)>& on_line,
              std::optional<Duration> timeout) override {
    script_.asked.push_back(request);
    const auto found = script_.streams.find(request.method + " " + request.path);
    const bool known = found != script_.streams.end() && !found->second.empty();
    if (!known && timeout) {  // nothing happens until the time is up
      script_.clock.advance(*timeout);
      return false;
    }
    if (!known) throw Error(ErrorCode::Cancelled, "unscripted stream: " + request.path);
    const std::vector<std::string> lines = found->second.front();
    found->second.erase(found->second.begin());
    for (const std::string& line : lines) {
      if (!on_line(line)) return true;
    }
    return true;
  }

  void pause(Duration duration) override { script_.clock.advance(duration); }

 private:
  Script& script_;
};

}  // namespace

void Script::on(const std::string& request, std::string body, int code, std::vector<std::string> warnings) {
  answers[request].push_back(
      {.status = code, .content_type = "application/json", .warnings = std::move(warnings), .body = std::move(body)});
}

std::string Script::requests() const {
  std::string lines;
  for (const Request& request : asked) {
    if (request.path == "/api" || request.path == "/apis") continue;
    lines += request.method + " " + request.path + "\n";
  }
  return lines;
}

const Request& Script::request(const std::string& method, const std::string& path_part) const {
  for (const Request& request : asked) {
    if (request.method == method && request.path.find(path_part) != std::string::npos) return request;
  }
  throw Error(ErrorCode::NotFound, "nobody asked " + method + " ..." + path_part);
}

CommandLine::CommandLine() {
  on("GET /api", kCore);
  on("GET /apis", kGroups);
}

Outcome CommandLine::run(const std::string& line, const std::string& input) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; in >> word;) words.push_back(word);
  return run(std::move(words), input);
}

Outcome CommandLine::run(std::vector<std::string> words, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out, err;
  Surroundings surroundings;
  surroundings.more = more;
  surroundings.environment = [this](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  surroundings.connect = [this](const Flags&) { return std::make_unique<ScriptedServer>(*this); };
  surroundings.clock = &clock;
  surroundings.home = home;
  surroundings.configuration_files = configuration_files;
  Outcome outcome;
  outcome.code = cli::run(std::move(words), {in, out, err, terminal, terminal}, std::move(surroundings));
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

std::string status(int code, const std::string& reason, const std::string& message, const std::string& details) {
  const json::Value value = json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Failure"},
                                         {"reason", reason}, {"message", message}, {"details", json::parse(details)},
                                         {"code", code}};
  return json::dump(value);
}

std::string app(const std::string& name, const std::string& revision, const std::string& more) {
  return R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":")" + name +
         R"(","namespace":"default","uid":"u-)" + name + R"(","generation":1,"resourceVersion":")" + revision +
         R"(","creationTimestamp":"2026-11-21T09:55:00Z"})" + (more.empty() ? "" : "," + more) + "}";
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gantry-cli-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path file = std::filesystem::path(folder_) / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file.string();
}

}  // namespace gantry::cli
