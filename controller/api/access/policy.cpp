#include "controller/api/access/policy.hpp"

#include <algorithm>

namespace gantry::api::access {
namespace {

// Beyond these the memory is given back and gathered anew: names of users and paths come from outside.
constexpr std::size_t kHoldersMax = 4096;
constexpr std::size_t kAnswersMax = 4096;

template <class F>
bool any_rule(const std::vector<RulesPtr>& held, F&& test) {
  return std::ranges::any_of(held, [&](const RulesPtr& rules) { return std::ranges::any_of(*rules, test); });
}

void append(std::string& out, std::string_view word) {
  out.append(word);
  out += '\0';
}

}  // namespace

bool is_master(const User& user) { return std::ranges::find(user.groups, kMasters) != user.groups.end(); }

void Policy::catch_up() const {
  if (book_.catch_up()) holders_.clear();
}

const Policy::Holder& Policy::holder_of(const User& user) const {
  catch_up();
  static thread_local std::string key;
  key.clear();
  append(key, user.name);
  for (const auto& group : user.groups) append(key, group);
  if (const auto known = holders_.find(key); known != holders_.end()) return *known->second;

  std::vector<RoleBook::Grant> grants;
  book_.grants_of("User", user.name, grants);
  for (const auto& group : user.groups) book_.grants_of("Group", group, grants);
  auto holder = std::make_unique<Holder>();
  for (auto& grant : grants) {
    auto& place = grant.ns.empty() ? holder->everywhere : holder->in_namespace[grant.ns];
    place.push_back(std::move(grant.rules));
  }
  if (holders_.size() >= kHoldersMax) holders_.clear();
  return *(holders_[key] = std::move(holder));
}

Policy::Answer Policy::judge(const Holder& holder, const Access& access) const {
  bool named = false;
  const auto test = [&](const std::vector<RulesPtr>& held) {
    return any_rule(held, [&](const Rule& rule) {
      if (!rule.could_allow(access)) return false;
      named = named || !rule.names.empty();
      return rule.names.empty() || access.resource.empty();
    });
  };
  if (test(holder.everywhere)) return Answer::Yes;
  if (!access.ns.empty()) {
    const auto here = holder.in_namespace.find(access.ns);
    if (here != holder.in_namespace.end() && test(here->second)) return Answer::Yes;
  }
  return named ? Answer::ByName : Answer::No;
}

bool Policy::allow(const User& user, const Access& access) const {
  if (is_master(user)) return true;
  const Holder& holder = holder_of(user);
  static thread_local std::string question;
  question.clear();
  append(question, access.verb);
  append(question, access.group);
  append(question, access.resource.empty() ? access.path : access.resource);
  append(question, access.subresource);
  append(question, access.ns);
  if (access.resource.empty()) question += '/';
  auto& answers = holder.answers;
  auto known = answers.find(question);
  if (known == answers.end()) {
    if (answers.size() >= kAnswersMax) answers.clear();
    known = answers.emplace(question, judge(holder, access)).first;
  }
  if (known->second != Answer::ByName) return known->second == Answer::Yes;
  return any_rule(held(user, access.ns), [&](const Rule& rule) { return rule.allows(access); });
}

bool Policy::allow_somewhere(const User& user, const Access& access) const {
  if (is_master(user)) return true;
  const Holder& holder = holder_of(user);
  const auto allows = [&](const Rule& rule) { return rule.allows(access); };
  return any_rule(holder.everywhere, allows) ||
         std::ranges::any_of(holder.in_namespace, [&](const auto& entry) { return any_rule(entry.second, allows); });
}

std::vector<RulesPtr> Policy::held(const User& user, std::string_view ns) const {
  if (is_master(user)) {
    static const auto everything =
        std::make_shared<const Rules>(Rules{{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}});
    return {everything};
  }
  const Holder& holder = holder_of(user);
  std::vector<RulesPtr> out = holder.everywhere;
  if (const auto here = holder.in_namespace.find(ns); !ns.empty() && here != holder.in_namespace.end())
    out.insert(out.end(), here->second.begin(), here->second.end());
  return out;
}

json::Value Policy::rules(const User& user, std::string_view ns) const {
  json::Array resources, paths;
  for (const auto& rules : held(user, ns)) {
    for (const auto& rule : *rules) (rule.paths.empty() ? resources : paths).emplace_back(to_json(rule));
  }
  return json::Object{
      {"incomplete", false}, {"nonResourceRules", std::move(paths)}, {"resourceRules", std::move(resources)}};
}

RulesPtr Policy::rules_of(const RoleRef& role) const {
  catch_up();
  return book_.rules_of(role);
}

std::vector<std::pair<std::string, RulesPtr>> Policy::stale_aggregations() const {
  catch_up();
  return book_.stale_aggregations();
}

}  // namespace gantry::api::access
