// One row of the conformance suite, and what a real kubectl says when it is played. rows.yaml holds the rows.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/process/gantry_process.hpp"

namespace gantry::conformance {

struct Row {
  std::string number;
  std::string kubectl;
  std::vector<std::string> given, later, finally;
  std::map<std::string, std::string> environment;
  int exit_code = 0;
  bool prints_nothing = false;
  std::vector<std::string> out, err, never_out, never_err, asks, never;
  std::vector<std::pair<std::string, std::string>> then;
  std::string from, until;  // 1.32; empty: any
  std::string instead;      // what is checked in place of a broken server
  std::string cannot;       // why the row is not played
  bool forgets = false;     // played against a server that keeps its history for a second only
};

// Every mistake in the file is an exception: no row is left out silently.
std::vector<Row> read_rows(const std::string& path);

struct Kubectl {
  std::string path;
  std::string version;  // 1.33
};
// Of kubectl on PATH and the kubectl.1.* beside it the oldest and the newest; all of them, one of each version and
// oldest first, with GANTRY_CONFORMANCE_ALL=1. GANTRY_KUBECTLS names others.
std::vector<Kubectl> find_kubectls();
// Whether a row is for this version.
bool is_for(const Row& row, const Kubectl& kubectl);

// The requests in what kubectl -v=8 writes, one a line: METHOD PATH?QUERY STATUS CT=... ACC=... BODY=...
std::string requests_in(const std::string& log);

class Player {
 public:
  // Installs the kinds of the fixture. folder: where the fixture is copied to.
  Player(const process::Controller& controller, std::string folder, std::string steady_kubectl);

  // Empty when all is as it should be; else what is not.
  std::string play(const Row& row, const Kubectl& kubectl);

 private:
  process::Outcome run(const std::string& kubectl, const std::string& command, const std::string& ns,
                       std::map<std::string, std::string> environment = {}) const;
  std::string run_all(const std::vector<std::string>& commands, const std::string& ns) const;
  std::string filled(std::string text, const std::string& ns) const;
  std::string checked(const Row& row, const process::Outcome& outcome, const std::string& ns) const;

  const process::Controller& controller_;
  std::string folder_;
  std::string steady_;  // the kubectl that prepares and looks
  int played_ = 0;
};

}  // namespace gantry::conformance
