// gantry diff: what apply would change, as the server would store it. Changes nothing.
#include "controller/base/yaml.hpp"
#include "controller/cli/commands.hpp"
#include "controller/cli/line_diff.hpp"
#include "controller/cli/manifest.hpp"
#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

constexpr int kError = 2;  // as kubectl diff: 0 same, 1 differs, above that an error
constexpr std::size_t kBatch = 500;

void hide_volatile(json::Value& object) {
  if (!object.is_object()) return;
  object.as_object().erase("status");
  json::Value* metadata = object.find("metadata");
  if (!metadata || !metadata->is_object()) return;
  for (const std::string_view field : {"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"}) {
    metadata->as_object().erase(field);
  }
}

// Values of a Secret: only whether they differ is shown.
void hide_values(json::Value& before, json::Value& after) {
  for (const std::string_view field : {"data", "stringData"}) {
    json::Value* old_values = before.find(field);
    json::Value* new_values = after.find(field);
    std::set<std::string> differing;
    const auto note = [&](const json::Value* one, const json::Value* other) {
      if (!one || !one->is_object()) return;
      for (const json::Member& member : one->as_object()) {
        const json::Value* twin = other ? other->find(member.key) : nullptr;
        if (twin && !(*twin == member.value)) differing.insert(member.key);
      }
    };
    note(old_values, new_values);
    const auto mask = [&](json::Value* values, std::string_view side) {
      if (!values || !values->is_object()) return;
      for (json::Member& member : values->as_object()) {
        member.value = differing.contains(member.key) ? "*** (" + std::string(side) + ")" : std::string("***");
      }
    };
    mask(old_values, "before");
    mask(new_values, "after");
  }
}

class Diff {
 public:
  explicit Diff(Context& context) : context_(context) {}

  int run() {
    const Flags& flags = context_.flags();
    const std::vector<Manifest> manifests = read_manifests(context_, flags.all("filename"), flags.on("recursive"));
    std::vector<const Manifest*> good;
    for (const Manifest& manifest : manifests) {
      if (manifest.error.empty()) {
        good.push_back(&manifest);
      } else {
        fail(Error(ErrorCode::BadRequest, manifest.where() + ": " + manifest.error));
      }
    }
    for (std::size_t i = 0; i < good.size(); i += kBatch) {
      compare(std::span(good).subspan(i, std::min(kBatch, good.size() - i)));
    }
    return failed_ ? kError : differs_ ? 1 : 0;
  }

 private:
  void fail(const Error& error) {
    failed_ = true;
    context_.print(error);
  }

  void compare(std::span<const Manifest* const> batch) {
    std::vector<Request> reads, writes;
    const std::string_view force = context_.flags().on("force-conflicts") ? "true" : "false";
    for (const Manifest* manifest : batch) {
      reads.push_back({.path = manifest->path()});
      writes.push_back(
          {.method = "PATCH",
           .path = manifest->path() + query({{"fieldManager", "gantry"}, {"force", force}, {"dryRun", "All"}}),
           .content_type = std::string(kApplyPatch),
           .body = json::dump(manifest->object)});
    }
    const auto live = context_.server().send_all(reads);
    const auto merged = context_.server().send_all(writes);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      context_.print_warnings(merged[i]);
      const bool absent = live[i].status == 404;
      if (!merged[i].ok() || (!live[i].ok() && !absent)) {
        ServerError error = merged[i].ok() ? live[i].error() : merged[i].error();
        error.while_(batch[i]->where(error));
        failed_ = true;
        context_.print(error, [&](const std::string& field) { return batch[i]->where(field); });
        continue;
      }
      print(*batch[i], absent ? json::Value() : live[i].json(), merged[i].json());
    }
  }

  void print(const Manifest& manifest, json::Value live, json::Value merged) {
    hide_volatile(live);
    hide_volatile(merged);
    if (manifest.resource->kind == "Secret" && manifest.resource->group.empty()) hide_values(live, merged);
    const std::string diff = unified_diff(live.is_null() ? "" : yaml::dump(live), yaml::dump(merged));
    if (diff.empty()) return;
    differs_ = true;
    const Style& style = context_.style();
    const std::string where = manifest.label() + (manifest.ns.empty() ? "" : " in " + manifest.ns);
    context_.out() << style.bold("--- " + (live.is_null() ? "/dev/null" : "live " + where)) << "\n"
                   << style.bold("+++ applied " + where) << "\n";
    std::string_view rest = diff;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const char mark = line.empty() ? ' ' : line[0];
      context_.out() << (mark == '+'   ? style.green(line)
                         : mark == '-' ? style.red(line)
                         : mark == '@' ? style.cyan(line)
                                       : std::string(line))
                     << "\n";
    }
  }

  Context& context_;
  bool failed_ = false;
  bool differs_ = false;
};

}  // namespace

Command diff_command() {
  return {
      .name = "diff",
      .group = "Change what is",
      .usage = "-f FILE|FOLDER|URL|-",
      .summary = "Compare manifests with what is stored, as the server would store them",
      .help =
          "Defaults that the server fills in are part of the comparison; values of Secrets are not shown.\n"
          "Exit code: 0 the same, 1 there are differences, 2 an error.\n"
          "\n"
          "Examples:\n"
          "  gantry diff -f web.yaml\n"
          "  gantry diff -f manifests/ -R && echo nothing to do\n",
      .flags = {kFilenameFlag,
                kRecursiveFlag,
                {.name = "force-conflicts", .help = "compare as if fields of other managers were taken over"}},
      .run =
          [](Context& context) {
            try {
              return Diff(context).run();
            } catch (const UsageError&) {
              throw;
            } catch (const Error& error) {  // 1 would mean "differs"
              context.print(error);
              return kError;
            }
          },
  };
}

}  // namespace gantry::cli
