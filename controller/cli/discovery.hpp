// Which kinds the server has, and by which words people call them. Kept on disk for ten minutes, so that most commands
// ask the server nothing but their own question; asked anew when a word is not known.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cli/server.hpp"

namespace gantry::cli {

struct ApiResource {
  std::string group;
  std::string version;
  std::string kind;
  std::string plural;
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  std::vector<std::string> verbs;
  bool namespaced = true;

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  std::string qualified() const { return group.empty() ? plural : plural + "." + group; }  // apps.gantry.dev
  // How kubectl names one of them in its output: app.gantry.dev.
  std::string label() const;
  std::string label(std::string_view name) const { return label() + "/" + std::string(name); }
  bool has_verb(std::string_view verb) const;
  bool in_category(std::string_view category) const;
  // ns is left out when empty or not applicable; so are name and subresource.
  std::string path(std::string_view ns, std::string_view name = {}, std::string_view subresource = {}) const;
};
using ResourcePtr = std::shared_ptr<const ApiResource>;

class Discovery {
 public:
  // cache_file may be empty: nothing is kept.
  Discovery(Server& server, Clock& clock, std::string cache_file);

  // By plural, singular, short name or kind, also with the group behind it (apps.gantry.dev). Throws Error(NotFound)
  // with the nearest match.
  ResourcePtr resource(std::string_view word);
  // Those that a person means by "all" or "gantry", in order of name; empty when it is no category.
  std::vector<ResourcePtr> category(std::string_view word);
  // Throws Error(NotFound): no matches for kind "Ap" in version "gantry.dev/v1alpha1"; did you mean App?
  ResourcePtr of_kind(std::string_view api_version, std::string_view kind);
  // Null instead of an exception, and without asking the server again.
  ResourcePtr find_kind(std::string_view api_version, std::string_view kind);
  const std::vector<ResourcePtr>& all();
  // Asks the server now.
  void refresh();

 private:
  bool read_cache();
  void write_cache() const;
  ResourcePtr find(std::string_view word) const;

  Server& server_;
  Clock& clock_;
  std::string cache_file_;
  std::vector<ResourcePtr> resources_;
  bool loaded_ = false;
  bool fresh_ = false;  // what we hold came from the server during this command
};

}  // namespace gantry::cli
