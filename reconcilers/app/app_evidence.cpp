// What a release that has failed leaves behind, for whoever wants to know why.
#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/base/utf8.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

constexpr std::size_t kEvidenceLines = 200;
// Far below what the schema and the store take: ten Releases keep theirs.
constexpr std::size_t kEvidenceBytes = 128 << 10;

// The end of it, in whole characters; what is no UTF-8 is replaced, since a log may hold anything.
std::string end_of(std::string_view log) {
  if (log.size() > kEvidenceBytes) {
    log.remove_prefix(log.size() - kEvidenceBytes);
    log.remove_prefix(std::min(log.find('\n') + 1, log.size()));
  }
  return valid_utf8(log);
}

}  // namespace

// Each question is answered by the newest instance that can: one that was begun a moment ago has not ended and has
// written nothing yet, and the one before it has.
Task<json::Object> AppReconciler::evidence_of(const AppSeen& seen, std::string release) {
  std::vector<SeenInstance> left;
  for (const auto* all : {&seen.instances, &seen.tasks}) {
    for (const auto& one : *all) {
      const auto task = parse_task_id(one.instance.id);
      if (one.instance.release == release && (!task || task->name == kHookTask)) left.push_back(one);
    }
  }
  std::ranges::stable_sort(left, [](const auto& a, const auto& b) { return a.instance.started > b.instance.started; });
  json::Object evidence;
  std::set<std::string> silent;
  if (!seen.start_failures.empty()) evidence.set("start", seen.start_failures.begin()->second);
  for (const auto& one : left) {
    if (one.instance.state == providers::Instance::State::Exited && !evidence.find("exitCode"))
      evidence.set("exitCode", one.instance.exit_code);
    if (!one.health.message.empty() && !evidence.find("probe")) evidence.set("probe", valid_utf8(one.health.message));
    // A Server that does not answer must not keep the release from being told failed.
    if (evidence.find("log") || one.asked || silent.contains(one.instance.server)) continue;
    std::string log;
    try {
      log = end_of(log::redacted(co_await parts_.host.log_tail(one.instance.id, kEvidenceLines)));
    } catch (const Error&) {  // tidy: another instance may have more to tell
      silent.insert(one.instance.server);
    }
    if (!log.empty()) evidence.set("log", std::move(log));
  }
  co_return evidence;
}

}  // namespace gantry::reconcilers::app
