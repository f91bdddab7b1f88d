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
constexpr std::size_t kBodyMax = 2 << 20;
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

// Objects may be thousands, and the server takes 3 MiB at a time: several requests, each with what fits. Written by
// hand, since the objects are only passed on.
std::vector<Request> requests_for(const std::vector<Manifest>& manifests) {
  constexpr std::string_view kHead = R"({"apiVersion":"plan.gantry.dev/v1alpha1","items":[)";
  constexpr std::string_view kTail = R"(],"kind":"PlanRequest"})";
  std::vector<std::string> bodies;
  std::string object;
  for (const Manifest& manifest : manifests) {
    object.clear();
    json::dump_to(object, manifest.object);
    if (bodies.empty() || bodies.back().size() + object.size() > kBodyMax) {
      bodies.emplace_back(kHead);
    } else {
      bodies.back() += ',';
    }
    bodies.back() += object;
  }
  std::vector<Request> requests;
  for (std::string& body : bodies) {
    body += kTail;
    requests.push_back(
        {.method = "POST", .path = std::string(kPath), .content_type = std::string(kJson), .body = std::move(body)});
  }
  return requests;
}

// One answer for each manifest, in order.
json::Value ask_for_plan(Context& context, const std::vector<Manifest>& manifests) {
  json::Array items;
  items.reserve(manifests.size());
  for (const Response& response : context.server().send_all(requests_for(manifests))) {
    context.print_warnings(response);
    json::Value answer = response.json();
    json::Value* found = answer.find("items");
    if (!found || !found->is_array()) continue;
    for (json::Value& item : found->as_array()) {
      if (context.flags().on("force-conflicts") && item.is_object()) item.as_object().erase("conflicts");
      items.push_back(std::move(item));
    }
  }
  json::Object plans{{"apiVersion", "plan.gantry.dev/v1alpha1"}, {"kind", "PlanList"}};
  plans.set("items", std::move(items));  // a braced list would copy them
  return plans;
}

std::vector<std::string> live_revisions(Context& context, const std::vector<Manifest>& manifests) {
  std::vector<Request> reads;
  for (const Manifest& manifest : manifests) reads.push_back({.path = manifest.path()});
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
  const json::Value answer = ask_for_plan(context, manifests);
  PlanCounts counts;
  std::ostringstream text;
  const json::Array& items = answer.find("items")->as_array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto where = [&](const std::string& field) {
      return i < manifests.size() ? manifests[i].where(field) : std::string();
    };
    print_plan_item(text, items[i], context.style(), counts, where);
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
      .flags = {kFilenameFlag,
                kRecursiveFlag,
                {.name = "out", .value = "FILE", .help = "keep the plan, for apply --plan", .sourced = false},
                {.name = "detailed-exitcode", .help = "2 when there are changes"},
                {.name = "force-conflicts", .help = "as if fields of other managers were taken over"},
                {.name = "output", .letter = 'o', .value = "FORM", .help = "json, yaml or jsonpath=..."}},
      .run = plan,
  };
}

}  // namespace gantry::cli
