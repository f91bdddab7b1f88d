// Which release of an App should run: pure. A Release is made for each new configuration; history and rollback are
// plain reads and writes of Release objects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/object/object.hpp"

namespace gantry::reconcilers::app {

// The parts of an App's spec that decide what an instance is. Replicas, health, strategy and routes change without a
// new release.
json::Value template_of(const json::Value& app);

struct ReleaseView {
  std::string name;
  std::int64_t revision = 0;
  std::string config_hash;  // of template, source and resolved environment
  std::string spec_hash;    // of template and source alone: what the user wrote
  std::string held_for;     // a rollback's: the spec_hash it stands in for, so that a repeated sync does not undo it
  std::string rollback_request;  // the last one that was obeyed when this was made: the annotation's value
  std::string source_digest;
  std::string source_revision;  // the commit
  std::string image_digest;
  std::string build_key;  // empty: nothing was built
  std::string phase;      // "", Progressing, Active, Superseded, Failed
  std::string reason;     // Failed: why
  json::Value pod_template;
  WallTime created{};

  bool good() const { return phase == "Active" || phase == "Superseded"; }
};
ReleaseView read_release(const object::Object& object);

struct Wanted {
  std::string spec_hash;
  std::string config_hash;
  std::string rollback_to;  // annotation gantry.dev/rollback-to: a revision number, or "" for none
  bool auto_rollback = true;
};

struct Choice {
  // The release that should run; with `make`, the one that goes on until the new one is there. Null: there is none yet.
  const ReleaseView* run = nullptr;
  // To be made: from the App's own template, or as a copy of `copy`.
  bool make = false;
  const ReleaseView* copy = nullptr;
  std::int64_t revision = 0;
  std::string cause;
  // The user asked for something that cannot be: no such revision.
  std::string problem;
};

// releases in order of revision.
Choice choose_release(const Wanted& wanted, const std::vector<ReleaseView>& releases);

// Those beyond the limit that nobody needs: neither running nor good to go back to.
std::vector<std::string> releases_to_forget(const std::vector<ReleaseView>& releases, const std::string& running,
                                            std::size_t limit);

// Names sort by age and fit a DNS label: "web-7".
std::string release_name(const std::string& app, std::int64_t revision);

}  // namespace gantry::reconcilers::app
