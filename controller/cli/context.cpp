#include "controller/cli/context.hpp"

#include <iostream>

namespace gantry::cli {
namespace {

// Where discovery is kept: ~/.kube/cache/gantry/127.0.0.1_6443/discovery.json.
std::string cache_file(const std::string& home, std::string_view address) {
  if (home.empty()) return {};
  const std::size_t scheme = address.find("://");
  std::string host(scheme == std::string_view::npos ? address : address.substr(scheme + 3));
  for (char& c : host) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  return home + "/.kube/cache/gantry/" + host + "/discovery.json";
}

// "app.spec.ports" of {kind: App, field: spec.ports[0].port}: what explain can be asked for.
std::string explainable(const Error::About& about, std::string_view field) {
  std::string path;
  for (const char c : about.kind) path += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (field.empty()) return path;
  path += '.';
  bool inside = false;
  for (const char c : field) {
    if (c == '[') inside = true;
    if (!inside) path += c;
    if (c == ']') inside = false;
  }
  return path;
}

// The last line of an error: what to do. Empty when we know nothing better than the message.
std::string advice(const Error& error) {
  switch (error.code()) {
    case ErrorCode::Unauthorized:
      return "The server does not know these credentials. See which are used: gantry config view";
    case ErrorCode::Invalid:
      if (!error.about || error.causes.empty()) return {};
      return "What is allowed there: gantry explain " + explainable(*error.about, error.causes.front().field);
    case ErrorCode::Conflict:
      if (error.causes.empty()) return {};
      return "Another manager owns these fields. Leave them out, or take them over with --force-conflicts.";
    case ErrorCode::NotFound:
      if (!error.about || error.about->kind.empty()) return {};
      return "See what is there: gantry get " + error.about->kind;
    default:
      return {};
  }
}

}  // namespace

Context::Context(const Command& command, std::span<const Command> commands, Flags flags, Streams streams,
                 const Surroundings& surroundings)
    : command_(command),
      commands_(commands),
      flags_(std::move(flags)),
      streams_(streams),
      surroundings_(surroundings),
      style_(streams.out_is_terminal && !flags_.on("no-color") && !surroundings.environment("NO_COLOR")) {}

Server& Context::server() {
  if (!server_) server_ = surroundings_.connect(flags_);
  return *server_;
}

Discovery& Context::discovery() {
  if (!discovery_) {
    discovery_ = std::make_unique<Discovery>(server(), clock(), cache_file(surroundings_.home, server().address()));
  }
  return *discovery_;
}

const std::string& Context::ns() {
  if (ns_.empty()) ns_ = flags_.text("namespace");
  if (ns_.empty()) ns_ = server().default_namespace();
  if (ns_.empty()) ns_ = "default";
  return ns_;
}

std::string Context::ns_for(const ApiResource& resource) {
  if (!resource.namespaced) return {};
  const bool can_span = std::ranges::find(flags_.known(), "all-namespaces", &Flag::name) != flags_.known().end();
  return can_span && flags_.on("all-namespaces") ? std::string() : ns();
}

json::Value Context::ask(const Request& request) {
  const Response response = server().send(request);
  print_warnings(response);
  return response.json();
}

void Context::print_warnings(const Response& response) {
  for (const std::string& warning : response.warnings) err() << style_.yellow("Warning:") << " " << warning << "\n";
}

void Context::print(const Error& error, const std::function<std::string(const std::string&)>& where) {
  const bool from_server = dynamic_cast<const ServerError*>(&error) != nullptr;
  std::string head = from_server ? "Error from server (" + std::string(traits(error.code()).reason) + "):" : "error:";
  std::string_view message = error.message();
  const std::size_t listed = message.find(" is invalid: ");
  const bool has_list = !error.causes.empty() && listed != std::string_view::npos;
  if (has_list) message = message.substr(0, listed + std::string_view(" is invalid").size());
  err() << style_.red(head) << " " << message << "\n";
  if (has_list) {
    for (const FieldError& cause : error.causes) {
      err() << "  " << (where ? where(cause.field) : "") << cause.field << ": " << cause.message << "\n";
    }
  }
  if (const std::string next = from_server ? advice(error) : ""; !next.empty()) err() << next << "\n";
}

void Context::confirm(const std::string& question, const std::string& word) {
  if (!streams_.in_is_terminal || flags_.on("yes")) return;
  err() << question << "\nType \"" << word << "\" to go on: " << std::flush;
  std::string answer;
  std::getline(streams_.in, answer);
  if (answer != word) throw Error(ErrorCode::Forbidden, "not confirmed: nothing was changed");
}

std::span<const Flag> global_flags() {
  static constexpr Flag kFlags[] = {
      {.name = "namespace", .letter = 'n', .value = "NAME", .help = "the namespace to look in"},
      {.name = "context", .value = "NAME", .help = "the context of the kubeconfig to use"},
      {.name = "kubeconfig", .value = "FILE", .help = "how to reach the server (else $KUBECONFIG, ~/.kube/config)"},
      {.name = "request-timeout",
       .value = "TIME",
       .help = "give up on a single request after this long",
       .otherwise = "30s"},
      {.name = "no-color", .help = "no colours, even on a terminal"},
      {.name = "help", .letter = 'h', .help = "explain this command", .sourced = false},
  };
  return kFlags;
}

}  // namespace gantry::cli
