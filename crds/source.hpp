// The typed view of a Source's spec; crds/source.yaml says what each field means.
#pragma once

#include "crds/common.hpp"

namespace gantry::crds {

struct SourceDirectory {
  std::string path;
};
template <class Visitor>
void fields(Visitor& visit, SourceDirectory& part) {
  visit("path", part.path);
}

struct SourceGit {
  std::string url;
  std::string ref;   // empty: the default branch
  std::string path;  // empty: the root
  std::optional<NameRef> secret_ref;
  std::string interval = "1m";  // as parse_duration() reads it
};
template <class Visitor>
void fields(Visitor& visit, SourceGit& part) {
  visit("url", part.url);
  visit("ref", part.ref);
  visit("path", part.path);
  visit("secretRef", part.secret_ref);
  visit("interval", part.interval);
}

// Either directory or git is set.
struct SourceSpec {
  std::optional<SourceDirectory> directory;
  std::optional<SourceGit> git;
  bool prune = true;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, SourceSpec& spec) {
  visit("directory", spec.directory);
  visit("git", spec.git);
  visit("prune", spec.prune);
  visit("dependsOn", spec.depends_on);
}

SourceSpec decode_source_spec(const json::Value& object);

}  // namespace gantry::crds
