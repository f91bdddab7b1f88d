// Manifests as people keep them: files, folders, standard input, URLs; YAML with several documents, JSON, lists. What
// cannot be read or understood becomes an entry that says so; it never takes the others with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/base/yaml.hpp"
#include "controller/cli/context.hpp"

namespace gantry::cli {

struct Manifest {
  std::string source;                   // a path, a URL, or "standard input"
  std::size_t line = 0;                 // of the document; 0: unknown
  json::Value object;                   // with metadata.namespace filled in
  std::string error;                    // then nothing below is set
  std::vector<std::string> duplicates;  // "web.yaml:4: spec.replicas stands twice"

  ResourcePtr resource;
  std::string ns;
  std::string name;

  std::string where() const;  // web.yaml:12
  // "web.yaml:14: " of a field as the server names it; empty when it is not known.
  std::string where(const std::string& field) const;
  // Where the server's complaint is at home: the field's line, if it names one, else the document's.
  std::string where(const Error& complaint) const;
  std::string label() const { return resource->label(name); }
  std::string path() const { return resource->path(ns, name); }

  std::shared_ptr<const yaml::Document> document;  // null for JSON
  std::string prefix;                              // of the object in the document: "items[3]."
};

// names: as given to -f. Folders hold *.yaml, *.yml and *.json, in order of name; below them too when recursive.
// Throws UsageError when names is empty.
std::vector<Manifest> read_manifests(Context& context, const std::vector<std::string>& names, bool recursive);

// The flags of every command that reads manifests.
inline constexpr Flag kFilenameFlag{.name = "filename",
                                    .letter = 'f',
                                    .value = "FILE",
                                    .help = "a file, a folder, a URL, or - for standard input; may be repeated",
                                    .repeated = true,
                                    .sourced = false};
inline constexpr Flag kRecursiveFlag{.name = "recursive", .letter = 'R', .help = "folders with all that is below them"};

}  // namespace gantry::cli
