#include "tests/conformance/suite.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "controller/base/yaml.hpp"
#include "controller/object/pattern.hpp"

namespace gantry::conformance {
namespace {

using process::Outcome;

constexpr auto kPatience = std::chrono::seconds(90);

std::vector<std::string> texts(const json::Value& row, std::string_view key) {
  std::vector<std::string> out;
  if (const json::Value* list = row.find(key)) {
    for (const auto& item : list->as_array()) out.push_back(item.as_string());
  }
  return out;
}

std::string text(const json::Value& row, std::string_view key) {
  const json::Value* value = row.find(key);
  if (!value) return {};
  return value->is_string() ? value->as_string() : json::dump(*value);
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

bool found(const std::string& pattern, const std::string& in) { return object::Pattern(pattern).found_in(in); }

int minor_of(const std::string& version) {
  const auto dot = version.find('.');
  return dot == version.npos ? 0 : std::atoi(version.c_str() + dot + 1);
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string unescaped_target(std::string_view url) {
  const auto scheme = url.find("://");
  const auto path = scheme == url.npos ? url.find('/') : url.find('/', scheme + 3);
  return percent_decoded(path == url.npos ? url : url.substr(path));
}

// What stands between the quotes that begin at `at`.
std::string quoted_at(const std::string& line, std::string_view key) {
  const auto at = line.find(key);
  if (at == line.npos) return {};
  const auto start = at + key.size();
  return line.substr(start, line.find('"', start) - start);
}

struct Request {
  std::string method, target, status, type, accept, body;
};

// Up to 1.32: Request Body: {...}; from 1.33: "Request Body" body="{\"a\":...}", or body=< and lines that follow.
std::string body_in(const std::string& line) {
  constexpr std::string_view kOld = "Request Body: ", kNew = "body=\"";
  if (const auto at = line.find(kOld); at != line.npos) return line.substr(at + kOld.size());
  const auto at = line.find(kNew);
  if (at == line.npos) return {};
  std::string out;
  for (std::size_t i = at + kNew.size(); i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    out += line[i];
  }
  return out;
}

bool is_log_line(const std::string& line) {
  return line.size() > 5 && line[0] == 'I' && std::isdigit(static_cast<unsigned char>(line[1])) &&
         std::isdigit(static_cast<unsigned char>(line[4]));
}

void read_header(Request& request, const std::string& line) {
  const auto value = [&](std::string_view name) -> std::string {
    const auto at = line.find(name);
    return at == line.npos ? std::string() : line.substr(at + name.size());
  };
  if (const auto type = value("Content-Type: "); !type.empty()) request.type = type;
  if (const auto accept = value("Accept: "); !accept.empty()) request.accept = accept;
}

}  // namespace

std::vector<Row> read_rows(const std::string& path) {
  constexpr std::string_view kKnown[] = {"row",       "kubectl",   "given", "later",   "finally", "env",     "exit",
                                         "empty",     "out",       "err",   "asks",    "never",   "then",    "from",
                                         "never_out", "never_err", "until", "instead", "cannot",  "cluster", "forgets"};
  const auto documents = yaml::parse_all(process::read(path));
  if (documents.size() != 1 || !documents[0].error.empty())
    throw std::runtime_error(path + ": " + (documents.empty() ? "is empty" : documents[0].error));
  std::vector<Row> rows;
  for (const auto& entry : documents[0].value.as_array()) {
    for (const auto& [key, unused] : entry.as_object()) {
      if (std::ranges::find(kKnown, key) == std::end(kKnown)) throw std::runtime_error(path + ": unknown key " + key);
    }
    Row row;
    row.number = text(entry, "row");
    row.kubectl = text(entry, "kubectl");
    row.given = texts(entry, "given");
    row.later = texts(entry, "later");
    row.finally = texts(entry, "finally");
    row.exit_code = static_cast<int>(entry.int_or("exit", 0));
    row.prints_nothing = entry.bool_or("empty", false);
    row.out = texts(entry, "out");
    row.err = texts(entry, "err");
    row.never_out = texts(entry, "never_out");
    row.never_err = texts(entry, "never_err");
    row.asks = texts(entry, "asks");
    row.never = texts(entry, "never");
    row.from = text(entry, "from");
    row.until = text(entry, "until");
    row.instead = text(entry, "instead");
    row.cannot = text(entry, "cannot");
    row.forgets = entry.bool_or("forgets", false);
    if (const json::Value* environment = entry.find("env")) {
      for (const auto& [name, value] : environment->as_object()) row.environment[name] = value.as_string();
    }
    if (const json::Value* then = entry.find("then")) {
      for (const auto& pair : then->as_array())
        row.then.emplace_back(pair.as_array().at(0).as_string(), pair.as_array().at(1).as_string());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// The rows say what kubectl 1.27 to 1.33 send and print.
constexpr int kOldestMinor = 27;

std::vector<Kubectl> find_kubectls() {
  std::vector<std::string> programs;
  if (const char* named = std::getenv("GANTRY_KUBECTLS")) {
    std::istringstream words(named);
    for (std::string word; words >> word;) programs.push_back(word);
  } else {
    const Outcome outcome =
        process::run({"sh", "-c",
                      "p=$(command -v kubectl) || exit 0; echo $p; for f in $(dirname $(readlink -f $p))/kubectl.*; do "
                      "[ -x $f ] && echo $f; done; true"});
    std::istringstream words(outcome.out);
    for (std::string word; words >> word;) programs.push_back(word);
  }
  std::map<int, Kubectl> by_version;
  for (const auto& program : programs) {
    const int minor = process::kubectl_minor(program);
    if (minor < kOldestMinor) continue;
    // What is named after its version is that version itself, not a dispatcher to another.
    const std::string version = "1." + std::to_string(minor);
    if (!by_version.contains(minor) || program.ends_with("." + version)) by_version[minor] = {program, version};
  }
  std::vector<Kubectl> all;
  for (auto& [minor, kubectl] : by_version) all.push_back(std::move(kubectl));
  if (all.size() > 2 && !std::getenv("GANTRY_KUBECTLS") && !std::getenv("GANTRY_CONFORMANCE_ALL"))
    all.erase(all.begin() + 1, all.end() - 1);
  return all;
}

bool is_for(const Row& row, const Kubectl& kubectl) {
  const int minor = minor_of(kubectl.version);
  return (row.from.empty() || minor >= minor_of(row.from)) && (row.until.empty() || minor <= minor_of(row.until));
}

std::string requests_in(const std::string& log) {
  std::vector<Request> requests;
  std::istringstream lines(log);
  bool headers = false, body = false;
  std::string waiting;  // a body is told before its request
  for (std::string line; std::getline(lines, line);) {
    const bool starts = is_log_line(line);
    if (starts) body = false;
    if (body) {
      waiting += line;
      continue;
    }
    if (starts && line.find("Request Body") != line.npos) {
      waiting = body_in(line);
      body = true;
      continue;
    }
    // Up to 1.32: round_trippers.go:463] GET https://...; from 1.33: "Request" verb="GET" url="https://..."
    if (starts && line.find("\"Request\" verb=") != line.npos) {
      requests.push_back({quoted_at(line, "verb=\""),
                          unescaped_target(quoted_at(line, "url=\"")),
                          {},
                          {},
                          {},
                          std::exchange(waiting, {})});
      headers = true;
      continue;
    }
    const auto bracket = line.find("] ");
    if (starts && line.find("round_trippers.go") != line.npos && bracket != line.npos) {
      const std::string rest = line.substr(bracket + 2);
      const auto space = rest.find(' ');
      if (rest.find("://") != rest.npos && space != rest.npos && rest.find("://") > space && space < 8) {
        requests.push_back(
            {rest.substr(0, space), unescaped_target(rest.substr(space + 1)), {}, {}, {}, std::exchange(waiting, {})});
        headers = true;
        continue;
      }
    }
    if (requests.empty()) continue;
    const auto status = line.find("Response Status: ");
    if (status != line.npos || line.find("\"Response\" status=") != line.npos) {
      headers = false;
      const std::string code =
          status != line.npos ? line.substr(status + 17, 3) : quoted_at(line, "status=\"").substr(0, 3);
      // Several may be under way; the answer belongs to the oldest that has none.
      const auto open = std::ranges::find(requests, std::string(), &Request::status);
      if (open != requests.end()) open->status = code;
    } else if (headers) {
      read_header(requests.back(), line);
    }
  }
  std::string out;
  for (const auto& request : requests) {
    out += request.method + " " + request.target + " " + request.status + " CT=" + request.type +
           " ACC=" + request.accept + " BODY=" + request.body + "\n";
  }
  return out;
}

Player::Player(const process::Controller& controller, std::string folder, std::string steady_kubectl)
    : controller_(controller), folder_(std::move(folder)), steady_(std::move(steady_kubectl)) {
  std::filesystem::copy(GANTRY_SOURCE_DIR "/tests/conformance/fixture", folder_,
                        std::filesystem::copy_options::recursive);
  process::write(folder_ + "/big.txt", std::string(400'000, 'x'));
  process::write(folder_ + "/huge.txt", std::string((1 << 20) + 1, 'x'));
  process::write(folder_ + "/over.txt", std::string(3 << 20, 'x'));
  const Outcome installed = run(steady_, "apply -f crds.yaml", "default");
  if (installed.exit_code != 0) throw std::runtime_error("the fixture's kinds cannot be installed: " + installed.err);
}

Outcome Player::run(const std::string& kubectl, const std::string& command, const std::string& ns,
                    std::map<std::string, std::string> environment) const {
  // A kubeconfig of its own, so that the row's namespace is the default one.
  const std::string config = folder_ + "/config-" + ns;
  if (!std::filesystem::exists(config)) {
    std::string text = process::read(controller_.kubeconfig());
    replace_all(text, "namespace: default", "namespace: " + ns);
    process::write(config, text);
  }
  environment.insert({{"KUBECONFIG", config}, {"HOME", folder_ + "/home-" + ns}});
  std::string line = "cd " + folder_ + "; k() { " + kubectl + " \"$@\"; }; ";
  line += command.starts_with("sh:") ? command.substr(3) : "k " + command;
  return process::run({"bash", "-c", line}, environment, {}, kPatience);
}

std::string Player::filled(std::string text, const std::string& ns) const {
  replace_all(text, "{C}", "/apis/infra.gantry.dev/v1alpha1/namespaces/" + ns + "/apps");
  replace_all(text, "{NS}", ns);
  return text;
}

std::string Player::run_all(const std::vector<std::string>& commands, const std::string& ns) const {
  std::string failures;
  for (const auto& command : commands) {
    const Outcome outcome = run(steady_, filled(command, ns), ns);
    if (outcome.exit_code != 0) failures += "  beforehand: " + command + ": " + outcome.err + "\n";
  }
  return failures;
}

std::string Player::checked(const Row& row, const Outcome& outcome, const std::string& ns) const {
  std::string wrong;
  const auto demand = [&](bool holds, const std::string& what) {
    if (!holds) wrong += "  " + what + "\n";
  };
  if (outcome.exit_code != row.exit_code) {
    demand(false, "exit code " + std::to_string(outcome.exit_code) + ", not " + std::to_string(row.exit_code));
  }
  const std::string requests = requests_in(outcome.err);
  const auto each = [&](const std::vector<std::string>& patterns, const std::string& in, bool wanted,
                        const std::string& where) {
    for (const auto& pattern : patterns) {
      demand(found(filled(pattern, ns), in) == wanted, where + (wanted ? " lacks " : " has ") + pattern);
    }
  };
  each(row.out, outcome.out, true, "output");
  each(row.never_out, outcome.out, false, "output");
  each(row.err, outcome.err, true, "error output");
  each(row.never_err, outcome.err, false, "error output");
  each(row.asks, requests, true, "requests");
  each(row.never, requests, false, "requests");
  if (row.prints_nothing) demand(outcome.out.empty(), "output is not empty");
  if (!wrong.empty()) {
    std::string errors;
    std::istringstream lines(outcome.err);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("Error") || line.starts_with("error") || line.starts_with("Warning")) errors += line + "\n";
    }
    wrong += "  --- output\n" + outcome.out.substr(0, 1500) + "  --- errors\n" + errors.substr(0, 1500) +
             "  --- requests\n" + requests.substr(0, 3000);
  }
  return wrong;
}

std::string Player::play(const Row& row, const Kubectl& kubectl) {
  const std::string ns = "row-" + row.number + "-" + std::to_string(++played_);
  std::string wrong = run_all({"sh:k create ns " + ns +
                               " >/dev/null && k create -f app.yaml "
                               "--field-manager=gantry-controller"},
                              ns);
  wrong += run_all(row.given, ns);
  std::thread later([&] {
    if (row.later.empty()) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
    for (const auto& command : row.later) run(steady_, filled(command, ns), ns);
  });
  const Outcome outcome = run(kubectl.path, "-v=8 " + filled(row.kubectl, ns), ns, row.environment);
  later.join();
  wrong += checked(row, outcome, ns);
  for (const auto& [command, pattern] : row.then) {
    const Outcome seen = run(steady_, filled(command, ns), ns);
    if (!found(filled(pattern, ns), seen.out))
      wrong += "  afterwards: " + command + " lacks " + pattern + ": " + seen.out + seen.err + "\n";
  }
  run_all(row.finally, ns);
  run(steady_, "delete ns " + ns + " --wait=false", "default");
  return wrong;
}

}  // namespace gantry::conformance
