#include "controller/api/status.hpp"
#include "controller/api/verbs/revisions.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api::verbs {
namespace {

// At which revision the list is to be: absent means the newest.
std::optional<Revision> exactly_at(const ListQuery& query) {
  if (!query.revision || *query.revision == 0 || query.match == VersionMatch::NotOlderThan) return std::nullopt;
  if (query.match == VersionMatch::Exact || query.limit > 0) return query.revision;
  return std::nullopt;
}

Error expired_page(const Continue& position) {
  Error error(ErrorCode::Expired,
              "The provided continue parameter is too old to display a consistent list result. You can start a new "
              "list without the "
              "continue parameter, or use the continue token in this response to retrieve the remainder of the "
              "results. Continuing "
              "with the provided token results in an inconsistent list - objects that were created, modified, or "
              "deleted between "
              "the time the first chunk was returned and now may show up in the list.");
  error.continue_token = to_token({0, position.after_ns, position.after_name});
  return error;
}

// One name: no need to walk the collection.
Listed list_one(const Plane& plane, const Target& target, const Filter& filter) {
  Listed listed;
  listed.revision = plane.store.revision();
  const auto found = plane.store.find({target.served->stored, filter.ns(), *filter.name()});
  if (found && filter.matches(*found)) listed.items.push_back(found);
  return listed;
}

}  // namespace

Task<Listed> list(const Plane& plane, const Target& target, const ListQuery& query) {
  const Filter filter(*target.served, target.ns, query.label_selector, query.field_selector);
  store::ListOptions options;
  std::optional<Continue> position;
  if (!query.continue_token.empty()) {
    position = parse_token(query.continue_token);
    options.after_ns = position->after_ns;
    options.after_name = position->after_name;
    if (position->revision > 0) options.at = position->revision;
  } else {
    options.at = exactly_at(query);
    if (query.revision) co_await wait_for(plane, *query.revision);
  }
  if (filter.name() && !options.at && !position && (!target.served->kind->namespaced || !filter.ns().empty())) {
    co_return list_one(plane, target, filter);
  }

  if (!filter.ns().empty()) options.ns = filter.ns();
  if (filter.selects()) options.matches = [&filter](const object::Object& object) { return filter.matches(object); };
  options.limit = query.limit;
  store::Page page;
  try {
    page = plane.store.list(target.served->stored, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Expired) throw;
    if (position) throw expired_page(*position);
    throw expired_revision(*options.at, plane.store.oldest_revision());
  }

  Listed listed;
  listed.revision = page.revision;
  if (page.more && !page.items.empty()) {
    const object::Key& last = page.items.back()->key();
    listed.continue_token = to_token({page.revision, last.ns, last.name});
    if (!filter.selects()) listed.remaining = page.remaining;
  }
  listed.items = std::move(page.items);
  co_return listed;
}

}  // namespace gantry::api::verbs
