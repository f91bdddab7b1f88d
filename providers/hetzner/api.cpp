#include "providers/hetzner/api.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"

namespace gantry::providers::hetzner {
namespace {

// hcloud-go asks for so many actions in one call.
constexpr std::size_t kActionsAtOnce = 25;

// Its words are the stable part of a refusal; the table is that of its documents.
std::optional<ErrorCode> meaning_of(std::string_view code) {
  static const std::map<std::string_view, ErrorCode> meanings{
      {"conflict", ErrorCode::Conflict},
      {"deprecated_api_endpoint", ErrorCode::Internal},
      {"floating_ip_assigned", ErrorCode::Conflict},
      {"invalid_input", ErrorCode::Invalid},
      {"locked", ErrorCode::Conflict},
      {"maintenance", ErrorCode::Unavailable},
      {"placement_error", ErrorCode::Unavailable},
      {"protected", ErrorCode::Forbidden},
      {"rate_limit_exceeded", ErrorCode::RateLimited},
      {"resource_in_use", ErrorCode::Conflict},
      {"resource_limit_exceeded", ErrorCode::QuotaExceeded},
      {"resource_unavailable", ErrorCode::Unavailable},
      {"server_not_stopped", ErrorCode::Conflict},
      {"service_error", ErrorCode::Unavailable},
      {"timeout", ErrorCode::Timeout},
      {"token_readonly", ErrorCode::Forbidden},
      {"unavailable", ErrorCode::Unavailable},
      {"uniqueness_error", ErrorCode::AlreadyExists},
  };
  const auto found = meanings.find(code);
  return found == meanings.end() ? std::nullopt : std::optional(found->second);
}

bool is_about_room(std::string_view code) { return code == "resource_unavailable" || code == "placement_error"; }

rest::Refusal read_refusal(int, const json::Value& said) {
  const json::Value* error = said.find("error");
  if (!error || !error->is_object()) return {};
  rest::Refusal refusal{
      .code = error->string_or("code"), .message = error->string_or("message"), .meaning = {}, .retry_after = {}};
  refusal.meaning = meaning_of(refusal.code);
  if (is_about_room(refusal.code)) refusal.retry_after = std::chrono::minutes(5);
  if (const json::Value* fields = error->at({"details", "fields"}); fields && fields->is_array()) {
    for (const auto& field : fields->as_array()) {
      for (const auto& message : rest::texts(field.find("messages")))
        refusal.message += "; " + field.string_or("name") + " " + message;
    }
  }
  return refusal;
}

rest::Vendor vendor() {
  return {.name = "hetzner",
          .endpoint = "https://api.hetzner.cloud",
          .request_id = "X-Correlation-Id",
          .limit = "RateLimit-Limit",
          .remaining = "RateLimit-Remaining",
          .reset = "RateLimit-Reset",
          // Its reset is when all 3,600 are there again; one comes back each second.
          .allowance = {.burst = 0, .burst_period = {}, .refill = 1},
          .read_refusal = read_refusal};
}

rest::Page read_page(const json::Value& body, const std::string& name) {
  const json::Value* pages = body.at({"meta", "pagination"});
  if (!pages) throw Error(ErrorCode::Unavailable, "the answer does not say which page it is");
  return {.rows = rest::rows(body, name),
          .total = pages->int_or("total_entries", -1),
          .last = pages->int_or("next_page", 0) == 0};
}

// The endpoint may be given as the vendor writes it, with the version.
std::string without_version(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (endpoint.ends_with("/v1")) endpoint.resize(endpoint.size() - 3);
  return endpoint;
}

std::vector<std::string> split(const std::string& operation) {
  std::vector<std::string> ids;
  for (std::size_t begin = 0; begin < operation.size();) {
    const std::size_t end = std::min(operation.find(',', begin), operation.size());
    ids.push_back(operation.substr(begin, end - begin));
    begin = end + 1;
  }
  return ids;
}

// Worse news first: one action that failed is enough, and one that runs is not done.
Progress together(std::string operation, const std::map<std::string, json::Value>& actions) {
  Progress progress{.id = std::move(operation), .state = Progress::State::Done, .problem = {}};
  for (const auto& id : split(progress.id)) {
    const auto found = actions.find(id);
    if (found == actions.end()) {
      if (progress.state == Progress::State::Done) progress.state = Progress::State::Unknown;
      continue;
    }
    const std::string status = found->second.string_or("status");
    if (status == "error") {
      const json::Value* error = found->second.find("error");
      const std::string code = error ? error->string_or("code") : "";
      progress.state = Progress::State::Failed;
      progress.problem = "Hetzner: action " + found->second.string_or("command") + " " + id + " failed: " + code +
                         ": " + (error ? error->string_or("message") : "");
      progress.capacity = is_about_room(code);
      return progress;
    }
    if (status != "success") progress.state = Progress::State::Running;
  }
  return progress;
}

}  // namespace

Api::Api(const ProviderParts& parts, const ProviderSettings& settings)
    : Calls(parts, settings, vendor(), without_version(settings.endpoint),
            rest::token_of(settings, "an API token of a Hetzner Cloud project"), "/v1", kPageSize, read_page),
      actions_(parts.reactor, kGather, [this](std::vector<std::string> ids) { return fetch_actions(std::move(ids)); }) {
}

Task<std::vector<Progress>> Api::poll(std::vector<std::string> operations) {
  std::vector<std::string> ids;
  for (const auto& operation : operations) {
    for (auto& id : split(operation)) ids.push_back(std::move(id));
  }
  std::vector<Progress> all;
  if (ids.empty()) co_return all;
  const auto found = co_await actions_.ask_all(std::move(ids));
  for (auto& operation : operations) all.push_back(together(std::move(operation), *found));
  co_return all;
}

Task<Api::Actions::Found> Api::fetch_actions(std::vector<std::string> ids) {
  Actions::Found found;
  for (std::size_t begin = 0; begin < ids.size(); begin += kActionsAtOnce) {
    std::string query;
    for (std::size_t i = begin; i < std::min(begin + kActionsAtOnce, ids.size()); ++i)
      query += (query.empty() ? "?id=" : "&id=") + percent_encode(ids[i]);
    const json::Value body = co_await get("/actions" + query, "/actions");
    for (const auto& action : rest::rows(body, "actions")) found.emplace(rest::id_of(action), action);
  }
  co_return found;
}

Task<> Api::label(std::string kind, std::string id, Mark mark) {
  const std::string path = "/" + kind + "s/" + percent_encode(id);
  const std::string operation = "/" + kind + "s/{id}";
  const json::Value body = co_await get(path, operation, id);
  // The whole map is replaced: what others have labelled stays.
  json::Object labels;
  if (const json::Value* had = rest::part(body, kind).find("labels"); had && had->is_object())
    labels = had->as_object();
  for (const auto& [key, value] : labels_of(mark)) labels.set(key, value);
  co_await send("PUT", path, operation, json::Object{{"labels", std::move(labels)}}, id);
}

std::optional<Mark> mark_of(const json::Value& thing) {
  const json::Value* labels = thing.find("labels");
  if (!labels || !labels->is_object()) return std::nullopt;
  Mark mark{.uid = labels->string_or(kUidLabel), .role = labels->string_or(kRoleLabel)};
  if (mark.uid.empty() || mark.role.empty()) return std::nullopt;
  return mark;
}

json::Object labels_of(const Mark& mark) {
  json::Object labels;
  labels.set(kUidLabel, mark.uid);
  labels.set(kRoleLabel, mark.role);
  return labels;
}

std::string selector_of(const Mark& mark) {
  return std::string(kUidLabel) + "==" + mark.uid + "," + std::string(kRoleLabel) + "==" + mark.role;
}

std::string encoded_selector_of(const Mark& mark) { return percent_encode(selector_of(mark)); }

Operation operation_of(std::string target, const json::Value& answer) {
  Operation operation{std::move(target), {}};
  const auto add = [&](const json::Value& action) {
    operation.id += (operation.id.empty() ? "" : ",") + rest::id_of(action);
  };
  if (const json::Value* action = answer.find("action"); action && action->is_object()) add(*action);
  for (const char* name : {"next_actions", "actions"}) {
    const json::Value* list = answer.find(name);
    if (!list || !list->is_array()) continue;
    for (const auto& action : list->as_array()) add(action);
  }
  return operation;
}

}  // namespace gantry::providers::hetzner
