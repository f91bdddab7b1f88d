#include "controller/api/request_options.hpp"

#include <charconv>

#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

constexpr std::int64_t kManagerMax = 128;

bool is_true(const std::string* text) {
  return text && (*text == "true" || *text == "1" || *text == "True" || *text == "TRUE");
}

template <class Number>
std::optional<Number> number(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.parameter(name);
  if (!text || text->empty()) return std::nullopt;
  Number value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) {
    throw Error(ErrorCode::BadRequest, "query parameter " + std::string(name) + "=" + *text + " is not a number");
  }
  return value;
}

bool read_dry_run(const HttpRequest& request, std::string_view kind) {
  bool dry_run = false;
  for (const auto& [name, value] : request.query) {
    if (name != "dryRun" || value.empty()) continue;
    if (value != "All") throw invalid_option(kind, not_one_of("dryRun", value, {"All"}));
    dry_run = true;
  }
  return dry_run;
}

// User-Agent up to the first slash: "kubectl", "gantry-controller".
std::string manager_of_agent(const HttpRequest& request) {
  const std::string* agent = request.header("user-agent");
  if (!agent || agent->empty()) return "unknown";
  std::string name = agent->substr(0, std::min<std::size_t>(agent->find('/'), kManagerMax));
  std::erase_if(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return name.empty() ? "unknown" : name;
}

std::string read_manager(const HttpRequest& request, std::string_view kind, bool apply) {
  const std::string* given = request.parameter("fieldManager");
  if (!given || given->empty()) {
    if (apply) throw invalid_option(kind, object::required("fieldManager", "is required for apply patch"));
    return manager_of_agent(request);
  }
  if (std::cmp_greater(given->size(), kManagerMax)) {
    throw invalid_option(kind, object::too_long("fieldManager", kManagerMax));
  }
  for (const unsigned char c : *given) {
    if (c < 0x20 || c == 0x7f)
      throw invalid_option(kind, object::invalid("fieldManager", *given, "should only contain printable characters"));
  }
  return *given;
}

Validation read_validation(const HttpRequest& request, std::string_view kind) {
  const std::string* given = request.parameter("fieldValidation");
  if (!given || given->empty() || *given == "Warn") return Validation::Warn;
  if (*given == "Strict") return Validation::Strict;
  if (*given == "Ignore") return Validation::Ignore;
  throw invalid_option(kind, not_one_of("fieldValidation", *given, {"Ignore", "Strict", "Warn"}));
}

void check_version_match(const ListQuery& query, bool match_given) {
  constexpr std::string_view kOptions = "ListOptions";
  if (query.send_initial_events && !query.watch) {
    throw invalid_option(kOptions, object::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  if (query.watch) {
    if (query.send_initial_events && query.match != VersionMatch::NotOlderThan) {
      throw invalid_option(
          kOptions, object::forbidden("resourceVersionMatch",
                                      "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if (match_given && !query.send_initial_events) {
      throw invalid_option(
          kOptions,
          object::forbidden("resourceVersionMatch",
                            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    return;
  }
  if (!match_given) return;
  if (!query.revision) {
    throw invalid_option(kOptions,
                         object::forbidden("resourceVersionMatch",
                                           "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  }
  if (!query.continue_token.empty()) {
    throw invalid_option(kOptions, object::forbidden("resourceVersionMatch",
                                                     "resourceVersionMatch is forbidden when continue is provided"));
  }
  if (query.match == VersionMatch::Exact && *query.revision == 0) {
    throw invalid_option(kOptions,
                         object::forbidden("resourceVersionMatch",
                                           "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
  }
}

}  // namespace

Revision parse_revision(std::string_view text, std::string_view field) {
  Revision revision = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::BadRequest, std::string(field) + ": Invalid value: \"" + std::string(text) +
                                           "\": a resource version is a decimal number");
  }
  return revision;
}

ListQuery list_query(const HttpRequest& request) {
  ListQuery query;
  bool match_given = false;
  for (const auto& [name, value] : request.query) {
    if (value.empty()) continue;
    if (name == "labelSelector") query.label_selector = value;
    if (name == "fieldSelector") query.field_selector = value;
    if (name == "continue") query.continue_token = value;
    if (name == "resourceVersion") query.revision = parse_revision(value, "resourceVersion");
    if (name == "resourceVersionMatch") {
      match_given = true;
      if (value == "Exact")
        query.match = VersionMatch::Exact;
      else if (value == "NotOlderThan")
        query.match = VersionMatch::NotOlderThan;
      else
        throw invalid_option("ListOptions", not_one_of("resourceVersionMatch", value, {"Exact", "NotOlderThan"}));
    }
  }
  query.watch = is_true(request.parameter("watch"));
  query.bookmarks = is_true(request.parameter("allowWatchBookmarks"));
  if (const auto* given = request.parameter("sendInitialEvents"); given && !given->empty())
    query.send_initial_events = is_true(given);
  if (const auto limit = number<std::int64_t>(request, "limit"); limit && *limit > 0)
    query.limit = static_cast<std::size_t>(*limit);
  if (const auto seconds = number<std::int64_t>(request, "timeoutSeconds"); seconds && *seconds > 0) {
    query.timeout = std::chrono::seconds(std::min<std::int64_t>(*seconds, 7 * 24 * 3600));
  }
  check_version_match(query, match_given);
  return query;
}

WriteQuery write_query(const HttpRequest& request, std::string_view kind, bool apply) {
  WriteQuery query;
  query.manager = read_manager(request, kind, apply);
  query.dry_run = read_dry_run(request, kind);
  query.validation = read_validation(request, kind);
  if (const auto* force = request.parameter("force"); force && !force->empty()) {
    if (!apply) throw invalid_option(kind, object::forbidden("force", "may not be specified for non-apply patch"));
    query.force = is_true(force);
  }
  if (request.user) query.user = &*request.user;
  return query;
}

DeleteQuery delete_query(const HttpRequest& request, const json::Value& options) {
  constexpr std::string_view kOptions = "DeleteOptions";
  DeleteQuery query;
  std::optional<bool> orphan;
  if (options.is_object()) {
    query.propagation = options.string_or("propagationPolicy");
    if (const auto* given = options.find("orphanDependents"); given && !given->is_null()) orphan = given->as_bool();
    if (const auto* preconditions = options.find("preconditions"); preconditions && preconditions->is_object()) {
      if (const auto uid = preconditions->string_or("uid"); !uid.empty()) query.preconditions.uid = uid;
      if (const auto revision = preconditions->string_or("resourceVersion"); !revision.empty()) {
        query.preconditions.revision = parse_revision(revision, "preconditions.resourceVersion");
      }
    }
    if (const auto* dry_run = options.find("dryRun"); dry_run && dry_run->is_array()) {
      for (const auto& word : dry_run->as_array()) {
        if (word.as_string() != "All") throw invalid_option(kOptions, not_one_of("dryRun", word.as_string(), {"All"}));
        query.dry_run = true;
      }
    }
  } else {
    if (const auto* given = request.parameter("propagationPolicy")) query.propagation = *given;
    if (const auto* given = request.parameter("orphanDependents"); given && !given->empty()) orphan = is_true(given);
  }
  query.dry_run = read_dry_run(request, kOptions) || query.dry_run;
  if (orphan && !query.propagation.empty()) {
    throw invalid_option(kOptions, object::invalid("propagationPolicy", query.propagation,
                                                   "orphanDependents and deletionPropagation cannot be both set"));
  }
  if (!query.propagation.empty() && query.propagation != "Background" && query.propagation != "Foreground" &&
      query.propagation != "Orphan") {
    throw invalid_option(kOptions,
                         not_one_of("propagationPolicy", query.propagation, {"Foreground", "Background", "Orphan"}));
  }
  if (orphan) {
    query.propagation = *orphan ? "Orphan" : "Background";
    query.deprecated_orphan_false = !*orphan;
  }
  return query;
}

}  // namespace gantry::api
