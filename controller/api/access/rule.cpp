#include "controller/api/access/rule.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::api::access {
namespace {

using Words = std::vector<std::string>;

// A role of 1.5 MiB could ask for billions of combinations; nobody writes one by hand.
constexpr std::size_t kCombinationsMax = 100'000;

bool has(const Words& words, std::string_view word) { return std::ranges::find(words, word) != words.end(); }
bool has_or_all(const Words& words, std::string_view word) {
  return std::ranges::any_of(words, [&](const std::string& one) { return one == "*" || one == word; });
}

// "*", "apps", "apps/log", "*/log".
bool covers_resource(std::string_view pattern, std::string_view resource, std::string_view subresource) {
  if (pattern == "*") return true;
  if (subresource.empty()) return pattern == resource;
  if (!pattern.ends_with(subresource)) return false;
  pattern.remove_suffix(subresource.size());
  if (!pattern.ends_with('/')) return false;
  pattern.remove_suffix(1);
  return pattern == "*" || pattern == resource;
}

// "*", "/metrics", "/healthz/*". A pattern covers another when it covers all that the other does.
bool covers_path(std::string_view pattern, std::string_view path) {
  if (pattern == "*" || pattern == path) return true;
  return pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1));
}

Words read_words(const json::Value& rule, std::string_view field) {
  Words words;
  const json::Value* list = rule.find(field);
  if (!list || !list->is_array()) return words;
  for (const auto& word : list->as_array()) {
    if (word.is_string()) words.push_back(word.as_string());
  }
  return words;
}

json::Array to_array(const Words& words) { return {words.begin(), words.end()}; }

// One combination of a rule's words: what can be held or not.
struct Atom {
  std::string_view verb, group, resource, subresource, name, path;
  bool any_name = false;
};

bool holds(const Rule& rule, const Atom& atom) {
  if (!has_or_all(rule.verbs, atom.verb)) return false;
  if (!atom.path.empty()) {
    return std::ranges::any_of(rule.paths, [&](const auto& pattern) { return covers_path(pattern, atom.path); });
  }
  if (!has_or_all(rule.groups, atom.group)) return false;
  const bool resource = std::ranges::any_of(
      rule.resources, [&](const auto& pattern) { return covers_resource(pattern, atom.resource, atom.subresource); });
  if (!resource) return false;
  return rule.names.empty() || (!atom.any_name && has(rule.names, atom.name));
}

bool holds(const std::vector<RulesPtr>& held, const Atom& atom) {
  return std::ranges::any_of(held, [&](const RulesPtr& rules) {
    return std::ranges::any_of(*rules, [&](const Rule& rule) { return holds(rule, atom); });
  });
}

std::size_t combinations(const Rule& rule) {
  const auto times = [](std::size_t a, std::size_t b) {
    return b != 0 && a > kCombinationsMax / b ? kCombinationsMax + 1 : a * b;
  };
  std::size_t named = times(rule.groups.size(), rule.resources.size());
  named = times(named, std::max<std::size_t>(1, rule.names.size()));
  return times(rule.verbs.size(), named + rule.paths.size());
}

bool covered(const std::vector<RulesPtr>& held, const Rule& rule) {
  for (const auto& verb : rule.verbs) {
    for (const auto& path : rule.paths) {
      if (!holds(held, {verb, {}, {}, {}, {}, path, false})) return false;
    }
    for (const auto& group : rule.groups) {
      for (const std::string_view resource : rule.resources) {
        const auto slash = resource.find('/');
        Atom atom{verb, group, resource.substr(0, slash), {}, {}, {}, rule.names.empty()};
        if (slash != std::string_view::npos) atom.subresource = resource.substr(slash + 1);
        if (rule.names.empty() && !holds(held, atom)) return false;
        for (const auto& name : rule.names) {
          atom.name = name;
          if (!holds(held, atom)) return false;
        }
      }
    }
  }
  return true;
}

}  // namespace

bool Rule::could_allow(const Access& access) const {
  if (!has_or_all(verbs, access.verb)) return false;
  if (access.resource.empty())
    return std::ranges::any_of(paths, [&](const auto& pattern) { return covers_path(pattern, access.path); });
  if (!has_or_all(groups, access.group)) return false;
  return std::ranges::any_of(
      resources, [&](const auto& pattern) { return covers_resource(pattern, access.resource, access.subresource); });
}

bool Rule::allows(const Access& access) const {
  if (!could_allow(access)) return false;
  return access.resource.empty() || names.empty() || has(names, access.name);
}

Rules read_rules(const json::Value* rules) {
  Rules out;
  if (!rules || !rules->is_array()) return out;
  for (const auto& rule : rules->as_array()) {
    out.push_back({read_words(rule, "verbs"), read_words(rule, "apiGroups"), read_words(rule, "resources"),
                   read_words(rule, "resourceNames"), read_words(rule, "nonResourceURLs")});
  }
  return out;
}

json::Value to_json(const Rule& rule) {
  json::Object out{{"verbs", to_array(rule.verbs)}};
  if (!rule.paths.empty()) {
    out.set("nonResourceURLs", to_array(rule.paths));
    return out;
  }
  out.set("apiGroups", to_array(rule.groups));
  out.set("resources", to_array(rule.resources));
  if (!rule.names.empty()) out.set("resourceNames", to_array(rule.names));
  return out;
}

Rules not_covered(const std::vector<RulesPtr>& held, const Rules& wanted) {
  std::size_t total = 0;
  Rules missing;
  for (const auto& rule : wanted) {
    total += combinations(rule);
    if (total > kCombinationsMax) {
      throw Error(ErrorCode::Forbidden, "the rules name more than " + std::to_string(kCombinationsMax) +
                                            " combinations of verb, group, resource and name; whether you hold them "
                                            "cannot be checked, so write fewer, or be given the verb escalate");
    }
    if (!covered(held, rule)) missing.push_back(rule);
  }
  return missing;
}

std::string to_text(const Rule& rule) {
  std::string out = "{";
  const auto add = [&](std::string_view title, const Words& words) {
    if (words.empty()) return;
    if (out.size() > 1) out += ", ";
    out.append(title).append(":[");
    for (std::size_t i = 0; i < words.size(); ++i) out.append(i ? " " : "").append(object::quoted(words[i]));
    out += ']';
  };
  add("APIGroups", rule.groups);
  add("Resources", rule.resources);
  add("ResourceNames", rule.names);
  add("NonResourceURLs", rule.paths);
  add("Verbs", rule.verbs);
  return out + "}";
}

}  // namespace gantry::api::access
