// gantry label, gantry annotate: set and remove one key at a time, by merge patch.
#include "controller/cli/commands.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

struct Edit {
  std::string key;
  std::optional<std::string> value;  // none: remove
};

// "a=b" sets, "a-" removes.
std::optional<Edit> edit_of(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals != std::string_view::npos && equals > 0) {
    return Edit{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
  }
  if (word.size() > 1 && word.ends_with('-')) return Edit{std::string(word.substr(0, word.size() - 1)), std::nullopt};
  return std::nullopt;
}

// Throws when an edit would silently overwrite what is there.
json::Value patch_for(const json::Value& object, const std::string& field, const std::vector<Edit>& edits,
                      bool overwrite) {
  json::Value changes = json::Object{};
  const json::Value* present = object.at({"metadata", field});
  for (const Edit& edit : edits) {
    const json::Value* old = present ? present->find(edit.key) : nullptr;
    if (edit.value && old && text_of(*old) != *edit.value && !overwrite) {
      throw Error(ErrorCode::AlreadyExists,
                  "\"" + edit.key + "\" is set already, to \"" + text_of(*old) + "\"; --overwrite changes it");
    }
    changes[edit.key] = edit.value ? json::Value(*edit.value) : json::Value();
  }
  return json::Object{{"metadata", json::Object{{field, std::move(changes)}}}};
}

int edit(Context& context, const std::string& field, std::string_view done) {
  const Flags& flags = context.flags();
  std::vector<std::string> words;
  std::vector<Edit> edits;
  for (const std::string& word : context.operands()) {
    if (auto found = edit_of(word)) {
      edits.push_back(std::move(*found));
    } else {
      words.push_back(word);
    }
  }
  if (edits.empty()) throw UsageError("say what to set: KEY=VALUE, or KEY- to remove it");
  std::vector<Target> targets;
  for (Target& target : targets_of(context, words)) {
    if (!target.name.empty()) {
      targets.push_back(std::move(target));
      continue;
    }
    if (!flags.given("selector") && !flags.on("all")) throw UsageError("say which: a name, -l LABELS or --all");
    for (const json::Value& item : list_all(context, *target.resource, context.ns(), flags.text("selector"))) {
      targets.push_back({target.resource, metadata_of(item, "name")});
    }
  }
  bool good = true;
  for (const Target& target : targets) {
    const std::string path = target.resource->path(context.ns_for(*target.resource), target.name);
    try {
      const json::Value before = context.ask({.path = path});
      const json::Value patch = patch_for(before, field, edits, flags.on("overwrite"));
      const json::Value after = context.ask({.method = "PATCH",
                                             .path = path + query({{"fieldManager", "gantry-edit"}}),
                                             .content_type = std::string(kMergePatch),
                                             .body = json::dump(patch)});
      const bool changed = metadata_of(before, "resourceVersion") != metadata_of(after, "resourceVersion");
      context.out() << target.resource->label(target.name) << " " << (changed ? done : "unchanged") << "\n";
    } catch (const Error& error) {
      if (targets.size() == 1) throw;
      context.print(error);
      good = false;
    }
  }
  return good ? kOk : kFailed;
}

std::vector<Flag> flags() {
  return {{.name = "overwrite", .help = "change what is set already"},
          {.name = "selector", .letter = 'l', .value = "LABELS", .help = "those with these labels", .sourced = false},
          {.name = "all", .help = "all of the type", .sourced = false}};
}

}  // namespace

Command label_command() {
  return {
      .name = "label",
      .group = "Change what is",
      .usage = "TYPE NAME... | TYPE/NAME...  KEY=VALUE... KEY-...",
      .summary = "Set and remove labels",
      .help =
          "Examples:\n"
          "  gantry label app web team=shop\n"
          "  gantry label app/web team-               # remove it\n",
      .flags = flags(),
      .run = [](Context& context) { return edit(context, "labels", "labeled"); },
  };
}

Command annotate_command() {
  return {
      .name = "annotate",
      .group = "Change what is",
      .usage = "TYPE NAME... | TYPE/NAME...  KEY=VALUE... KEY-...",
      .summary = "Set and remove annotations",
      .help =
          "Examples:\n"
          "  gantry annotate app web gantry.dev/paused=true           # look, but change nothing\n"
          "  gantry annotate app web gantry.dev/reconcile-at=now --overwrite\n",
      .flags = flags(),
      .run = [](Context& context) { return edit(context, "annotations", "annotated"); },
  };
}

}  // namespace gantry::cli
