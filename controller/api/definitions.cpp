#include "controller/api/definitions.hpp"

#include <algorithm>

#include "controller/api/admission.hpp"
#include "controller/api/definition_objects.hpp"
#include "controller/api/definition_rules.hpp"
#include "controller/api/definition_status.hpp"
#include "controller/api/status.hpp"
#include "controller/api/verbs/feed.hpp"
#include "controller/base/log.hpp"
#include "controller/base/parallel.hpp"
#include "controller/object/versions.hpp"

namespace gantry::api {
namespace {

using json::Value;

const log::Logger kLog("definitions");
constexpr std::string_view kManager = "gantry";
constexpr std::string_view kBuiltIn = "gantry.dev/built-in";
constexpr std::size_t kAtOnce = 64;
// What is left waits for finalizers of others.
constexpr Duration kLookAgain = std::chrono::seconds(1);

const object::Resource& definitions_resource() {
  static const auto resource = object::Resource::of("apiextensions.k8s.io", "customresourcedefinitions");
  return resource;
}

WriteQuery own_write() {
  WriteQuery query;
  query.manager = kManager;
  query.validation = Validation::Strict;
  return query;
}

// Whether what is served of a kind has changed so that open watches would tell what is no longer so.
bool differs(const std::vector<object::KindPtr>& before, const std::vector<object::KindPtr>& now) {
  // One version of a kind sees its new schema as it is; several see it through their views.
  if (before.size() > 1 || now.size() > 1) return true;
  return !before.empty() && before.front()->version != now.front()->version;
}

}  // namespace

std::shared_ptr<Definitions> Definitions::make(Plane& plane) {
  std::shared_ptr<Definitions> made(new Definitions(plane));
  if (!made->served_) return made;
  Admission& admission = *plane.admission;
  admission.add_check(definitions_resource(), [own = made->own_](const Review& review,
                                                                 std::vector<FieldError>& causes) {
    const Value& spec = *review.object.find("spec");
    const Value* name = review.object.at({"metadata", "name"});
    const auto ours = own.find(name && name->is_string() ? name->as_string() : std::string());
    if (ours != own.end()) {
      if (spec == *ours->second->definition.find("spec")) return;
      causes.push_back(object::forbidden("spec", "this kind is part of the program; only its metadata can be changed"));
    } else if (!review.old || !(spec == *review.old->find("spec"))) {
      check_definition(review.object, review.old, causes);
    }
  });
  admission.add_removal_check(definitions_resource(), [own = made->own_](const std::string& name) {
    return own.contains(name) ? std::string("this kind is part of the program and may not be deleted") : std::string();
  });
  return made;
}

Definitions::Definitions(Plane& plane)
    : plane_(plane), served_(plane.catalogue.find(definitions_resource())), moved_(plane.front) {
  for (const auto& served : plane.catalogue.all()) {
    if (served->kind->is_core()) continue;
    // As it will be stored.
    auto kind = std::make_shared<object::Kind>(*served->kind);
    if (served_) {
      served_->kind->schema->prune(kind->definition);
      served_->kind->schema->set_defaults(kind->definition);
    }
    complete_definition(kind->definition);
    own_.emplace(std::string(served->resource.qualified()), std::move(kind));
  }
}

void Definitions::close() {
  closed_ = true;
  if (watch_) watch_->close();
  moved_.notify_all();
}

Task<> Definitions::prepare() {
  if (!served_) co_return;
  std::vector<object::KindPtr> own;
  for (const auto& [name, kind] : own_) own.push_back(kind);
  co_await for_each_at_most(plane_.front, kAtOnce, own.size(),
                            [&](std::size_t i) -> Task<> { co_await write_own(*own[i]); });
  revision_ = plane_.store.revision();
  co_await settle_all();
  running_ = true;
  plane_.front.spawn(follow(shared_from_this()));
}

// Ours as this program has it, whatever an older one has left.
Task<> Definitions::write_own(const object::Kind& kind) {
  const Value& ours = kind.definition;
  const std::string name(kind.resource.qualified());
  const object::Key key{definitions_resource(), {}, name};
  const Target target{served_, {}, name, {}};
  Warnings warnings;
  Value wanted = ours;
  wanted["metadata"]["labels"] = json::Object{{std::string(kBuiltIn), "true"}};
  if (const ObjectPtr live = plane_.store.find(key)) {
    Value object = live->decode();
    if (*object.find("spec") == *ours.find("spec")) co_return;
    object["spec"] = *ours.find("spec");
    co_await verbs::update(plane_, target, {std::move(object), {}}, own_write(), warnings);
    co_return;
  }
  co_await verbs::create(plane_, {served_, {}, {}, {}}, {std::move(wanted), {}}, own_write(), warnings);
}

Task<> Definitions::follow(std::shared_ptr<Definitions> self) {
  while (!self->closed_) {
    std::optional<Error> failure;
    try {
      self->watch_ = self->plane_.store.watch(definitions_resource(), self->revision_);
      while (!self->closed_) {
        const auto events = co_await self->watch_->next();
        if (self->closed_ || self->watch_->closed()) co_return;
        std::set<std::string> names;
        for (const auto& event : events) names.insert(event->object->key().name);
        for (const auto& name : names) {
          co_await self->settle(name);
          if (self->closed_) co_return;
        }
        self->revision_ = std::max(self->revision_, self->watch_->revision());
        self->moved_.notify_all();
      }
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure || self->closed_) co_return;
    kLog.warn("the definitions cannot be followed; looking at all of them again", {{"error", failure->message()}});
    co_await sleep_for(self->plane_.front, kLookAgain);
    if (self->closed_) co_return;
    self->revision_ = self->plane_.store.revision();
    co_await self->settle_all();
  }
}

Task<> Definitions::caught_up_to(Revision revision) {
  const auto self = shared_from_this();
  while (running_ && !closed_ && revision_ < revision) co_await moved_.wait();
}

Task<> Definitions::settle_all() {
  std::set<std::string> first, then;
  for (const auto& [name, known] : known_) then.insert(name);
  const store::Page page = plane_.store.list(definitions_resource());
  for (const auto& object : page.items) {
    const auto& name = object->key().name;
    // Who had its names before keeps them.
    (own_.contains(name) || is_established(object->decode()) ? first : then).insert(name);
  }
  for (const auto& name : first) co_await settle(name);
  for (const auto& name : then) co_await settle(name);
}

Task<> Definitions::settle(const std::string& name) {
  const ObjectPtr object = plane_.store.find({definitions_resource(), {}, name});
  if (!object) {
    if (!known_.contains(name)) co_return;
    unserve(name);
    known_.erase(name);
    // Whoever was refused its names may have them now.
    const store::Page page = plane_.store.list(definitions_resource());
    for (const auto& other : page.items) co_await settle(other->key().name);
    co_return;
  }
  if (!object->meta().deleting && known_[name].clearing) {
    // Gone and written anew before anybody looked.
    unserve(name);
    known_.erase(name);
  }
  const Value definition = object->decode();
  try {
    if (object->meta().deleting) {
      co_await close_kind(name, definition, object->revision());
    } else {
      co_await serve(name, definition, object->revision());
    }
  } catch (const Error& error) {  // of one definition; the others go on
    kLog.error("a definition cannot be served", {{"name", name}, {"error", error.message()}});
  }
}

Task<> Definitions::close_kind(const std::string& name, const Value& definition, Revision revision) {
  if (std::exchange(known_[name].clearing, true)) co_return;
  // After a restart: its objects can only be deleted as what they are.
  if (!known_[name].kind() && name_conflict(name, definition).empty()) co_await install(name, definition, revision);
  for (const auto& served : plane_.catalogue.all()) {
    if (known_[name].kind() && served->stored == known_[name].kind()->resource) served->closing = true;
  }
  plane_.front.spawn(clear(shared_from_this(), name));
}

Task<> Definitions::serve(const std::string& name, const Value& definition, Revision revision) {
  const std::string conflict = own_.contains(name) ? std::string() : name_conflict(name, definition);
  if (!conflict.empty() && !known_[name].kind()) {
    co_await write_status(name, definition,
                          {condition("NamesAccepted", false, "NameConflict", conflict),
                           condition("Established", false, "NotAccepted", "not all names are accepted")},
                          false);
    co_return;
  }
  // With names that are taken it stays what it was.
  if (conflict.empty() && (!known_[name].kind() || !(known_[name].spec == *definition.find("spec"))))
    co_await install(name, definition, revision);
  json::Array conditions{
      conflict.empty() ? condition("NamesAccepted", true, "NoConflicts", "no conflicts found")
                       : condition("NamesAccepted", false, "NameConflict", conflict),
      condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted")};
  co_await write_status(name, definition, std::move(conditions), conflict.empty());
}

Task<> Definitions::install(const std::string& name, const Value& definition, Revision revision) {
  Known& known = known_[name];
  const std::vector<object::KindPtr> before = known.kinds;
  known.spec = *definition.find("spec");
  // Ours are in the catalogue from the beginning.
  if (own_.contains(name)) {
    known.kinds = {own_.at(name)};
  } else {
    known.kinds = {object::kind_from_definition(definition)};
    std::ranges::move(object::further_versions(definition), std::back_inserter(known.kinds));
  }
  const object::KindPtr kind = known.kind();
  if (!own_.contains(name)) {
    plane_.catalogue.put(kind, {known.kinds.begin() + 1, known.kinds.end()});
    if (differs(before, known.kinds)) end_watches(kind->resource);
    tell(kind->resource, kind);
  }
  // Several versions read what is stored each in its own way, whenever it is asked for.
  const ServedPtr served = plane_.catalogue.find(kind->resource);
  if (!served->view) co_await read_again(plane_, served, revision, closed_);
}

void Definitions::unserve(const std::string& name) {
  const object::KindPtr kind = known_[name].kind();
  if (!kind) return;
  const object::Resource resource = kind->resource;
  plane_.catalogue.erase(resource);
  end_watches(resource);
  tell(resource, nullptr);
  kLog.info("a kind is served no longer", {{"kind", kind->kind}, {"definition", name}});
}

void Definitions::end_watches(object::Resource resource) {
  for (const auto& [feed, of] : *plane_.feeds) {
    if (of == resource) feed->finish();
  }
}

void Definitions::tell(object::Resource resource, const object::KindPtr& kind) const {
  for (const auto& listener : listeners_) listener(resource, kind);
}

// Empty when all names are free. They must be, among the kinds of the group.
std::string Definitions::name_conflict(const std::string& name, const Value& definition) const {
  const Value names = names_of(definition);
  const auto wanted = all_names(names);
  const std::string group = definition.find("spec")->string_or("group");
  for (const auto& served : plane_.catalogue.all()) {
    const object::Kind& kind = *served->kind;
    if (kind.group != group) continue;
    if (kind.is_core()) return "the group " + object::quoted(group) + " is served by the program itself";
    if (served->resource.qualified() == name) continue;
    std::vector<std::string> taken = kind.short_names;
    taken.push_back(kind.plural);
    taken.push_back(kind.singular);
    for (const auto& word : wanted) {
      if (std::ranges::find(taken, word) != taken.end()) return object::quoted(word) + " is already in use";
    }
    for (const auto& word : {names.string_or("kind"), names.string_or("listKind")}) {
      if (word == kind.kind || word == served->list_kind) return object::quoted(word) + " is already in use";
    }
  }
  return {};
}

Task<> Definitions::write_status(const std::string& name, const Value& definition, json::Array conditions,
                                 bool accepted) {
  const Value* status = definition.find("status");
  Value wanted = status_of(definition, std::move(conditions), accepted, plane_.front.clock().wall());
  if (status && *status == wanted) co_return;
  try {
    const Target target{served_, {}, name, "status"};
    Warnings warnings;
    Value patch = json::Object{{"status", std::move(wanted)}};
    co_await verbs::patch(plane_, target, PatchType::Merge, {std::move(patch), {}}, own_write(), warnings);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;  // deleted meanwhile: heard of next
  }
}

Task<> Definitions::clear(std::shared_ptr<Definitions> self, std::string name) {
  Plane& plane = self->plane_;
  while (!self->closed_) {
    std::size_t left = 1;
    try {
      const ObjectPtr live = plane.store.find({definitions_resource(), {}, name});
      if (!live || !live->meta().deleting) co_return;
      const object::KindPtr kind = self->known_[name].kind();
      const ServedPtr served = kind ? plane.catalogue.find(kind->resource) : nullptr;
      co_await self->write_status(
          name, live->decode(),
          {condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
           condition("Established", kind != nullptr, "InitialNamesAccepted", "the initial names have been accepted"),
           condition("Terminating", true, "InstanceDeletionInProgress", "CustomResource deletion is in progress")},
          false);
      left = served ? co_await empty_out(plane, served, self->closed_) : 0;
      if (left == 0) {
        co_await self->let_go(name);
        // Whatever was on its way into the store while the kind was closed.
        if (served) co_await empty_out(plane, served, self->closed_);
        co_return;
      }
    } catch (const Error& error) {
      kLog.warn("the objects of a deleted definition could not be removed yet",
                {{"name", name}, {"error", error.message()}});
    }
    if (self->closed_) co_return;
    co_await sleep_for(plane.front, kLookAgain);
  }
}

Task<> Definitions::let_go(const std::string& name) {
  const ObjectPtr live = plane_.store.find({definitions_resource(), {}, name});
  if (!live) co_return;
  json::Array rest;
  for (const auto& finalizer : live->meta().finalizers) {
    if (finalizer != served_->deletion_finalizer) rest.emplace_back(finalizer);
  }
  Value patch = json::Object{{"metadata", json::Object{{"finalizers", std::move(rest)},
                                                       {"resourceVersion", std::to_string(live->revision())}}}};
  Warnings warnings;
  co_await verbs::patch(plane_, {served_, {}, name, {}}, PatchType::Merge, {std::move(patch), {}}, own_write(),
                        warnings);
}

}  // namespace gantry::api
