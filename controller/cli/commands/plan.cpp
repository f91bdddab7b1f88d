// gantry plan: what apply would change, and what the controller would then do. Changes nothing.
#include <sstream>

#include "controller/cli/commands.hpp"
#include "controller/cli/manifest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/plan_view.hpp"
#include "controller/cli/saved_plan.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kPath = "/apis/plan.gantry.dev/v1alpha1/plans";
constexpr int kChanges = 2;  // under --detailed-exitcode, as terraform

// The manifests that can be planned; the others are reported.
std::vector<Manifest> usable(Context& context, std::size_t& broken) {
  std::vector<Manifest> good;
  for (Manifest& manifest : read_manifests(context, context.flags().all("filename"), context.flags().on("recursive"))) {
    if (manifest.error.empty()) {
      good.push_back(std::move(manifest));
      continue;
    }
    ++broken;
    context.print(Error(ErrorCode::BadRequest, manifest.where() + ": " + manifest.error));
  }
  return good;
}

// Written by hand, since the objects may be thousands and are only passed on.
std::string request_body(const std::vector<Manifest>& manifests) {
  std::string body = R"({"apiVersion":"plan.gantry.dev/v1alpha1","items":[)";
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    if (i) body += ',';
    json::dump_to(body, manifests[i].object);
  }
  return body + R"(],"kind":"PlanRequest"})";
}

std::vector<std::string> live_revisions(Context& context, const std::vector<Manifest>& manifests) {
  std::vector<Request> reads;
  for (const Manifest& manifest : manifests) reads.push_back({.path = manifest.path(), .content_type = {}, .body = {}});
  std::vector<std::string> revisions;
  for (const Response& answer : context.server().send_all(reads)) {
    if (!answer.ok() && answer.status != 404) throw answer.error();
    revisions.push_back(answer.ok() ? metadata_of(answer.json(), "resourceVersion") : "");
  }
  return revisions;
}

int plan(Context& context) {
  const Flags& flags = context.flags();
  const Output output = output_of(flags);
  std::size_t broken = 0;
  const std::vector<Manifest> manifests = usable(context, broken);
  const std::string file = flags.text("out");
  // Before the plan: what moves in between makes the plan stale, not wrong.
  const auto live = file.empty() ? std::vector<std::string>() : live_revisions(context, manifests);
  const json::Value answer = context.ask({.method = "POST",
                                          .path = std::string(kPath),
                                          .content_type = std::string(kJson),
                                          .body = request_body(manifests)});
  PlanCounts counts;
  std::ostringstream text;
  if (const json::Value* items = answer.find("items"); items && items->is_array()) {
    // One answer for each manifest, in order.
    for (std::size_t i = 0; i < items->as_array().size(); ++i) {
      const auto where = [&](const std::string& field) {
        return i < manifests.size() ? manifests[i].where(field) : std::string();
      };
      print_plan_item(text, items->as_array()[i], context.style(), counts, where);
    }
  }
  if (output.for_people()) {
    context.out() << text.view() << (text.view().empty() ? "" : "\n") << context.style().bold(plan_summary(counts))
                  << "\n";
    if (counts.destructive > 0) {
      context.out() << context.style().red(std::to_string(counts.destructive) +
                                           " of the actions destroy what they hold.")
                    << "\n";
    }
  } else {
    print_value(context, output, answer);
  }
  if (broken + counts.failed > 0) return kFailed;
  if (!file.empty()) {
    save_plan(context, file, manifests, live);
    context.err() << "Saved. To do exactly this: gantry apply --plan " << file << "\n";
  }
  return flags.on("detailed-exitcode") && counts.anything() ? kChanges : kOk;
}

}  // namespace

Command plan_command() {
  return {
      .name = "plan",
      .group = "Change what is",
      .usage = "-f FILE|FOLDER|URL|-",
      .summary = "Show what apply would change, and what the controller would then do",
      .help =
          "Nothing is changed. + creates, ~ changes in place, - deletes, -/+ replaces, > runs.\n"
          "\n"
          "Examples:\n"
          "  gantry plan -f manifests/\n"
          "  gantry plan -f manifests/ --detailed-exitcode    # 0 nothing to do, 1 error, 2 changes\n"
          "  gantry plan -f web.yaml --out web.plan && gantry apply --plan web.plan\n",
      .flags =
          {kFilenameFlag,
           kRecursiveFlag,
           {.name = "out",
            .value = "FILE",
            .help = "keep the plan, for apply --plan",
            .otherwise = {},
            .sourced = false},
           {.name = "detailed-exitcode", .value = {}, .help = "2 when there are changes", .otherwise = {}},
           {.name = "force-conflicts",
            .value = {},
            .help = "as if fields of other managers were taken over",
            .otherwise = {}},
           {.name = "output", .letter = 'o', .value = "FORM", .help = "json, yaml or jsonpath=...", .otherwise = {}}},
      .run = plan,
  };
}

}  // namespace gantry::cli
