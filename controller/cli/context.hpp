// What a command works with. Made for one command; nothing is connected, read or asked before it is needed.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "controller/cli/cli.hpp"
#include "controller/cli/discovery.hpp"
#include "controller/cli/style.hpp"

namespace gantry::cli {

class Context {
 public:
  Context(const Command& command, std::span<const Command> commands, Flags flags, Streams streams,
          const Surroundings& surroundings);

  const Command& command() const { return command_; }
  std::span<const Command> commands() const { return commands_; }
  const Flags& flags() const { return flags_; }
  const std::vector<std::string>& operands() const { return flags_.operands(); }
  const Surroundings& surroundings() const { return surroundings_; }
  Streams& streams() { return streams_; }
  std::ostream& out() { return streams_.out; }
  std::ostream& err() { return streams_.err; }
  const Style& style() const { return style_; }
  Clock& clock() const { return *surroundings_.clock; }

  Server& server();
  Discovery& discovery();
  // --namespace, or the kubeconfig's, or "default".
  const std::string& ns();
  // Empty for kinds without namespaces, and under --all-namespaces.
  std::string ns_for(const ApiResource& resource);

  // Sends, prints the server's warnings, and throws unless the answer is good.
  json::Value ask(const Request& request);
  void print_warnings(const Response& response);
  // As kubectl prints it: Error from server (NotFound): … Also says what to do, where that is known.
  // where: puts "web.yaml:12: " before a field that it knows.
  void print(const Error& error, const std::function<std::string(const std::string& field)>& where = {});

  // When stdin is a terminal and --yes was not given: asks for `word` to be typed. Throws Error(Cancelled) on another
  // answer.
  void confirm(const std::string& question, const std::string& word);

 private:
  const Command& command_;
  std::span<const Command> commands_;
  Flags flags_;
  Streams streams_;
  const Surroundings& surroundings_;
  Style style_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Discovery> discovery_;
  std::string ns_;
};

// Flags that every command has.
std::span<const Flag> global_flags();

}  // namespace gantry::cli
