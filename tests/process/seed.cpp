#include "tests/process/seed.hpp"

#include <filesystem>

namespace gantry::process {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

std::vector<std::string> with_ports(std::vector<std::string> arguments, int https_port) {
  for (const auto& [flag, port] : {std::pair("--https-port", https_port), std::pair("--http-port", free_port())}) {
    arguments.emplace_back(flag);
    arguments.push_back(std::to_string(port));
  }
  return arguments;
}

}  // namespace

Seed::Seed(std::string name, std::vector<std::string> controller_arguments)
    : Seed(std::move(name), free_port(), std::move(controller_arguments)) {}

Seed::Seed(std::string name, int https_port, std::vector<std::string> controller_arguments)
    : controller(with_ports(std::move(controller_arguments), https_port)),
      ns_(std::move(name)),
      https_port_(https_port) {
  for (const auto& file : std::filesystem::directory_iterator(std::string(GANTRY_SOURCE_DIR "/manifests/") + ns_)) {
    if (file.path().extension() != ".yaml") continue;
    write(manifests(file.path().filename()), replaced(read(file.path()), "mode: acme", "mode: internal"));
  }
  controller.start();
}

std::string Seed::manifests(const std::string& name) const {
  return controller.folder("manifests/" + ns_) + (name.empty() ? "" : "/" + name);
}

void Seed::lay_out(const std::string& app, const std::string& file, bool in_image) {
  const std::filesystem::path folder = manifests("code/" + app);
  std::filesystem::create_directories((folder / file).parent_path());
  std::filesystem::copy_file(GANTRY_BINARY_DIR "/tests/stand_in", folder / file,
                             std::filesystem::copy_options::overwrite_existing);
  if (!in_image) return;
  // The manifests' commands name an interpreter and a script, or a server: in this image each of them is the stand-in.
  write(folder / "Dockerfile", "FROM scratch\nCOPY " + file + " /bin/node\nCOPY " + file + " /bin/python3\nCOPY " +
                                   file + " /livekit-server\nUSER 1000\n");
}

void Seed::change(const std::string& what, const std::string& by) {
  for (const auto& file : std::filesystem::directory_iterator(manifests())) {
    if (file.path().extension() == ".yaml") write(file.path(), replaced(read(file.path()), what, by));
  }
}

void Seed::secret(const std::string& name, const std::vector<std::string>& literals) {
  controller.kubectl({"create", "namespace", ns_});
  std::vector<std::string> command{"-n", ns_, "create", "secret", "generic", name};
  for (const auto& literal : literals) command.push_back("--from-literal=" + literal);
  const Outcome made = controller.kubectl(command);
  ASSERT_EQ(made.exit_code, 0) << made.err;
}

Outcome Seed::apply() { return controller.gantry({"apply", "-f", manifests()}); }

void Seed::wait_until_ready(const std::string& app) {
  const auto condition = [&] {
    const json::Value object = get("app/" + app);
    if (const json::Value* conditions = object.at({"status", "conditions"})) {
      for (const auto& one : conditions->as_array()) {
        if (one.string_or("type") == "Ready") return one.string_or("status") == "True";
      }
    }
    return false;
  };
  EXPECT_TRUE(eventually(condition, std::chrono::seconds(90)))
      << app << " does not become Ready:\n"
      << controller.gantry({"-n", ns_, "describe", "app", app}).out << controller.log();
}

std::string Seed::https(const std::string& host, const std::string& path, std::vector<std::string> curl_arguments) {
  const std::string port = std::to_string(https_port_);
  std::vector<std::string> command{
      "curl",       "-sS",
      "--max-time", "20",
      "--cacert",   controller.folder("data/routing/certificates/pki/authorities/local/root.crt"),
      "--resolve",  host + ":" + port + ":127.0.0.1"};
  command.insert(command.end(), curl_arguments.begin(), curl_arguments.end());
  command.push_back("https://" + host + ":" + port + path);
  const Outcome asked = run(command);
  return asked.exit_code == 0 ? asked.out : "curl: " + asked.err;
}

std::string Seed::variable(const std::string& host, const std::string& path, const std::string& name) {
  return https(host, path + "/env/" + name);
}

}  // namespace gantry::process
