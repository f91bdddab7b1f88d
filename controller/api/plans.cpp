#include "controller/api/plans.hpp"

#include <unordered_set>

#include "controller/api/admission.hpp"
#include "controller/api/status.hpp"
#include "controller/object/diff.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::api {
namespace {

constexpr std::size_t kItemsMax = 100'000;
constexpr std::size_t kTurn = 128;               // manifests
constexpr std::string_view kManager = "gantry";  // who would apply, and would take the fields

// Whether somebody else than who would apply, and the controller's status, has fields of it. Asked of the bytes, so
// that thousands of unchanged objects cost nothing.
bool has_other_managers(const object::Object& live) {
  constexpr std::string_view kField = R"("manager":")";
  const std::string_view bytes = live.bytes();
  for (std::size_t at = bytes.find(kField); at != bytes.npos; at = bytes.find(kField, at)) {
    at += kField.size();
    const std::string_view name = bytes.substr(at, bytes.find('"', at) - at);
    if (name != kManager && name != "gantry-controller") return true;
  }
  return false;
}

// What becomes of one object. The reconcilers' part is added when all are known.
struct Outcome {
  json::Object told;
  std::optional<PlanItem> item;  // absent when the manifest is invalid
};

json::Value address_of(std::string_view api_version, std::string_view kind, std::string_view ns,
                       std::string_view name) {
  json::Object made{{"apiVersion", api_version}, {"kind", kind}, {"name", name}};
  if (!ns.empty()) made.set("namespace", ns);
  return made;
}

json::Array fields_of(const Served& served, const json::Value& before, const json::Value& after) {
  object::DiffOptions options;
  options.node = &served.kind->schema->root();
  json::Array fields;
  for (auto& change : object::diff(before, after, options)) {
    json::Object made{{"path", std::move(change.path)}};
    if (change.before) made.set("before", std::move(*change.before));
    if (change.after) made.set("after", std::move(*change.after));
    fields.emplace_back(std::move(made));
  }
  return fields;
}

Target target_of(const Plane& plane, const json::Value& manifest) {
  const std::string api_version = manifest.text_at({"apiVersion"}), kind = manifest.text_at({"kind"});
  ServedPtr served = plane.catalogue.find_kind(api_version, kind);
  if (!served) {
    throw Error(ErrorCode::NotFound,
                "no matches for kind " + object::quoted(kind) + " in version " + object::quoted(api_version));
  }
  Target target{served, {}, manifest.text_at({"metadata", "name"}), {}};
  if (served->kind->namespaced) {
    target.ns = manifest.text_at({"metadata", "namespace"});
    if (target.ns.empty()) target.ns = "default";
  }
  if (target.name.empty()) throw invalid(*served->kind, "", {object::required("metadata.name", "a plan needs names")});
  return target;
}

class Planning {
 public:
  Planning(Plane& plane, const User& user, const Authorizer& authorizer)
      : plane_(plane), user_(user), authorizer_(authorizer) {
    query_.manager = kManager;
    query_.validation = Validation::Strict;
    query_.dry_run = true;
    query_.force = true;
    query_.user = &user;
    query_.coming_namespaces = &coming_namespaces_;
  }

  // An object may be planned together with the namespace that it is to live in, in any order.
  void expect_namespaces(const json::Array& manifests) {
    for (const auto& manifest : manifests) {
      if (manifest.text_at({"kind"}) == "Namespace" && manifest.text_at({"apiVersion"}) == "v1") {
        coming_namespaces_.insert(manifest.text_at({"metadata", "name"}));
      }
    }
  }

  Task<> add(json::Value manifest) {
    Outcome outcome;
    outcome.told.set("object",
                     address_of(manifest.text_at({"apiVersion"}), manifest.text_at({"kind"}),
                                manifest.text_at({"metadata", "namespace"}), manifest.text_at({"metadata", "name"})));
    try {
      const Target target = target_of(plane_, manifest);
      outcome.told.set("object",
                       address_of(target.served->api_version, target.served->kind->kind, target.ns, target.name));
      require(target, "patch");
      if (!plane_.store.find(target.key())) require(target, "create");
      named_.insert(target.key());
      co_await foresee(target, std::move(manifest), outcome);
    } catch (const Error& error) {
      outcome.told.set("change", "invalid");
      outcome.told.set("error", to_status(error));
    }
    outcomes_.push_back(std::move(outcome));
  }

  // What matches prune and is not among the manifests would go.
  void add_pruned(const json::Value& prune) {
    if (!prune.is_object()) return;
    const json::Value* kinds = prune.find("kinds");
    if (!kinds || !kinds->is_array())
      throw Error(ErrorCode::BadRequest, "prune.kinds must list the kinds to look through");
    for (const auto& entry : kinds->as_array()) {
      const std::string api_version = entry.text_at({"apiVersion"}), kind = entry.text_at({"kind"});
      const ServedPtr served = plane_.catalogue.find_kind(api_version, kind);
      if (!served)
        throw Error(ErrorCode::BadRequest, "prune.kinds: no kind " + kind + " in " + api_version + " is served");
      for (const auto verb : {"list", "delete"}) require({served, prune.string_or("namespace"), {}, {}}, verb);
      prune_kind(*served, prune.string_or("namespace"), prune.string_or("labelSelector"));
    }
  }

  Task<json::Value> finish(Planner* planner) {
    std::vector<PlanItem> items;
    items.reserve(outcomes_.size());
    for (auto& outcome : outcomes_) {
      if (outcome.item) items.push_back(std::move(*outcome.item));
    }
    std::vector<json::Value> plans;
    if (planner && !items.empty()) plans = co_await planner->plan(std::move(items));
    auto plan = plans.begin();
    json::Array list;
    list.reserve(outcomes_.size());
    for (auto& outcome : outcomes_) {
      if (outcome.item && plan != plans.end()) {
        if (!plan->is_null()) outcome.told.set("plan", std::move(*plan));
        ++plan;
      }
      list.emplace_back(std::move(outcome.told));
    }
    co_return json::Object{
        {"apiVersion", "plan.gantry.dev/v1alpha1"}, {"items", std::move(list)}, {"kind", "PlanList"}};
  }

 private:
  void require(const Target& target, std::string_view verb) const {
    const object::Kind& kind = *target.served->kind;
    const bool is_namespace = target.served->is("", "namespaces");
    if (authorizer_.allow(user_,
                          {verb, kind.group, kind.plural, {}, is_namespace ? target.name : target.ns, target.name, {}}))
      return;
    throw forbidden(target.served->resource, target.name,
                    "User " + object::quoted(user_.name) + " cannot " + std::string(verb) + " it");
  }

  Task<> foresee(const Target& target, json::Value manifest, Outcome& outcome) {
    const ObjectPtr live = plane_.store.find(target.key());
    Warnings warnings;
    if (live && has_other_managers(*live)) co_await name_conflicts(target, manifest, outcome);
    Written written = co_await verbs::apply(plane_, target, {std::move(manifest), {}}, query_, warnings);
    json::Value desired = written.value.is_null() ? target.served->read(*written.object) : std::move(written.value);
    if (!live) {
      outcome.told.set("change", "create");
      outcome.told.set("fields", fields_of(*target.served, json::Object(), desired));
    } else if (written.object == live) {
      outcome.told.set("change", "unchanged");
    } else {
      auto fields = fields_of(*target.served, target.served->read(*live), desired);
      outcome.told.set("change", fields.empty() ? "unchanged" : "configure");
      if (!fields.empty()) outcome.told.set("fields", std::move(fields));
    }
    outcome.item = PlanItem{target.key(), live, std::move(desired)};
  }

  // What apply would be refused for: fields that another manager has. The plan is told as if they were taken over.
  Task<> name_conflicts(const Target& target, const json::Value& manifest, Outcome& outcome) {
    WriteQuery query = query_;
    query.force = false;
    Warnings warnings;
    std::optional<Error> refusal;
    try {
      co_await verbs::apply(plane_, target, {manifest, {}}, query, warnings);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::Conflict) refusal = error;  // what else is wrong shows under force too
    }
    if (!refusal || refusal->causes.empty()) co_return;
    json::Array conflicts;
    for (const auto& cause : refusal->causes)
      conflicts.emplace_back(json::Object{{"field", cause.field}, {"message", cause.message}});
    outcome.told.set("conflicts", std::move(conflicts));
  }

  void prune_kind(const Served& served, std::string ns, std::string_view labels) {
    const Filter filter(served, std::move(ns), labels, {});
    store::ListOptions options;
    options.matches = [&](const object::Object& object) {
      return filter.matches(object) && !named_.contains(object.key());
    };
    for (auto& object : plane_.store.list(served.stored, options).items) {
      Outcome outcome;
      outcome.told.set("object",
                       address_of(served.api_version, served.kind->kind, object->key().ns, object->key().name));
      outcome.told.set("change", "delete");
      outcome.item = PlanItem{object->key(), object, nullptr};
      outcomes_.push_back(std::move(outcome));
    }
  }

  Plane& plane_;
  const User& user_;
  const Authorizer& authorizer_;
  WriteQuery query_;
  std::unordered_set<std::string> coming_namespaces_;
  std::vector<Outcome> outcomes_;
  std::unordered_set<object::Key, object::KeyHash> named_;
};

}  // namespace

Task<json::Value> plan_manifests(Plane& plane, Planner* planner, json::Value request, const User& user,
                                 const Authorizer& authorizer) {
  json::Value* items = request.find("items");
  if (request.string_or("kind", "PlanRequest") != "PlanRequest" || !items || !items->is_array()) {
    throw Error(ErrorCode::BadRequest, "the body must be a PlanRequest with a list of manifests in items");
  }
  if (items->as_array().size() > kItemsMax)
    throw Error(ErrorCode::TooLarge, "a PlanRequest takes at most " + std::to_string(kItemsMax) + " items");
  Planning planning(plane, user, authorizer);
  planning.expect_namespaces(items->as_array());
  std::size_t done = 0;
  for (auto& manifest : items->as_array()) {
    co_await planning.add(std::move(manifest));
    // The front has others to serve in between.
    if (++done % kTurn == 0) co_await asio::post(plane.front.executor(), use_task);
  }
  if (const json::Value* prune = request.find("prune")) planning.add_pruned(*prune);
  co_return co_await planning.finish(planner);
}

}  // namespace gantry::api
