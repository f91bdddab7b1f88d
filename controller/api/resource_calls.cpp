// Requests for resources: from the method and the query to a verb, and from its outcome to an answer.
#include "controller/api/body.hpp"
#include "controller/api/call.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

Shape shape_of(const HttpRequest& request, bool many) {
  const std::string* accept = request.header("accept");
  if (!accept) return {};
  Shape shape{negotiate_form(accept, many), Include::Metadata};
  if (shape.form == Form::Table) shape.include = parse_include(request.parameter("includeObject"));
  return shape;
}

bool wants_duplicates(const HttpRequest& request) {
  const std::string* validation = request.parameter("fieldValidation");
  return !validation || *validation != "Ignore";
}

std::string_view options_kind(Verb verb) {
  switch (verb) {
    case Verb::Create:
      return "CreateOptions";
    case Verb::Update:
      return "UpdateOptions";
    default:
      return "PatchOptions";
  }
}

// The whole body of a DELETE: DeleteOptions, or nothing.
json::Value read_delete_options(const HttpRequest& request) {
  if (request.body.empty()) return nullptr;
  json::Value options = read_object(request, true, false).value;
  if (!options.is_object())
    throw Error(ErrorCode::BadRequest,
                "the body must be DeleteOptions, and is of type " + std::string(options.type_name()));
  const std::string kind = options.string_or("kind", "DeleteOptions");
  if (kind != "DeleteOptions") throw Error(ErrorCode::BadRequest, "the body must be DeleteOptions, and is a " + kind);
  return options;
}

}  // namespace

Task<HttpResponse> Api::answer_resource(Call& call) {
  const Target& target = call.target();
  const Served& served = call.served();
  require(call, call.verb);
  if (!served.deprecation.empty()) call.warnings.push_back(served.deprecation);
  if (!target.subresource.empty()) {
    if (target.subresource == "scale" && served.kind->scale) co_return co_await answer_scale(call);
    const auto at = served.subresources.find(target.subresource);
    if (at != served.subresources.end()) co_return co_await answer_subresource(call, *at->second);
    const bool is_status = target.subresource == "status" && served.has_status_subresource();
    const bool is_finalize =
        target.subresource == "finalize" && served.is("", "namespaces") && call.verb == Verb::Update;
    if (!is_status && !is_finalize) throw unknown_path();
  }
  switch (call.verb) {
    case Verb::Get:
    case Verb::List:
    case Verb::Watch:
      co_return co_await read(call);
    default:
      co_return co_await write(call);
  }
}

Task<HttpResponse> Api::read(Call& call) {
  Target& target = call.route.target;
  const HttpRequest& request = call.request;
  const WallTime now = plane_.front.clock().wall();
  if (request.method != "GET" && request.method != "HEAD")
    throw method_not_allowed(target.served->resource, request.method);
  if (call.verb == Verb::Get) {
    const Shape shape = shape_of(request, false);
    co_return object_response(call.served(), 200, verbs::get(plane_, target), shape, now);
  }
  ListQuery query = list_query(request);
  query.watch = call.verb == Verb::Watch;
  if (query.watch) {
    if (!target.name.empty()) query.field_selector = "metadata.name=" + std::exchange(target.name, {});
    const Shape shape = shape_of(request, false);
    auto feed = co_await verbs::Feed::open(plane_, target, query);
    co_return watch_response(target.served, std::move(feed), shape, plane_.front.clock());
  }
  const Shape shape = shape_of(request, true);
  co_return list_response(plane_.front, target.served, co_await verbs::list(plane_, target, query), shape);
}

Task<HttpResponse> Api::write(Call& call) {
  const Target& target = call.target();
  const Served& served = call.served();
  const HttpRequest& request = call.request;
  const bool one = !target.name.empty();
  if (served.read_only) throw method_not_allowed(served.resource, to_string(call.verb));
  if (served.kind->namespaced && target.ns.empty() && call.verb != Verb::DeleteCollection)
    throw method_not_allowed(served.resource, to_string(call.verb));
  const bool on_collection = call.verb == Verb::Create || call.verb == Verb::DeleteCollection;
  if (one == on_collection) throw method_not_allowed(served.resource, to_string(call.verb));
  if (!target.subresource.empty() && (call.verb == Verb::Create || call.verb == Verb::Delete))
    throw method_not_allowed(served.resource, to_string(call.verb));
  const Shape shape = shape_of(request, call.verb == Verb::DeleteCollection);
  const WallTime now = plane_.front.clock().wall();

  if (call.verb == Verb::Delete) {
    const DeleteQuery query = delete_query(request, read_delete_options(request));
    const Written written = co_await verbs::remove(plane_, target, query);
    call.note(written);
    if (written.removed) co_return json_response(200, success_status(target.key(), written.object->meta().uid));
    co_return object_response(served, query.deprecated_orphan_false ? 202 : 200, written.object, shape, now);
  }
  if (call.verb == Verb::DeleteCollection) {
    if (std::ranges::find(served.verbs, "deletecollection") == served.verbs.end())
      throw method_not_allowed(served.resource, "deletecollection");
    const DeleteQuery query = delete_query(request, read_delete_options(request));
    co_return list_response(plane_.front, target.served,
                            co_await verbs::remove_collection(plane_, target, list_query(request), query), shape);
  }

  const bool apply = call.verb == Verb::Apply;
  const WriteQuery query = write_query(request, options_kind(call.verb), apply);
  Written written;
  if (call.verb == Verb::Create) {
    written = co_await verbs::create(
        plane_, target, read_object(request, served.kind->is_core(), wants_duplicates(request)), query, call.warnings);
  } else if (call.verb == Verb::Update) {
    if (served.create_on_update && !plane_.store.find(target.key())) require(call, Verb::Create);
    written = co_await verbs::update(
        plane_, target, read_object(request, served.kind->is_core(), wants_duplicates(request)), query, call.warnings);
  } else if (apply) {
    auto [type, body] = read_patch(request, true);
    // An apply that creates needs the right to create as well.
    if (!plane_.store.find(target.key())) require(call, Verb::Create);
    written = co_await verbs::apply(plane_, target, std::move(body), query, call.warnings);
  } else {
    auto [type, body] = read_patch(request, wants_duplicates(request));
    written = co_await verbs::patch(plane_, target, type, std::move(body), query, call.warnings);
  }
  call.note(written);
  // Whoever has written a definition finds its kind served.
  if (served.is_definitions() && !query.dry_run) co_await definitions_->caught_up_to(written.object->revision());
  co_return object_response(served, written.created ? 201 : 200, written.object, shape, now);
}

Task<HttpResponse> Api::answer_scale(Call& call) {
  const Target& target = call.target();
  const Served& served = call.served();
  require_json(call.accept());
  if (call.verb == Verb::Get) co_return json_response(200, verbs::scale_of(served, *verbs::get(plane_, target)));
  const WriteQuery query = write_query(call.request, options_kind(call.verb), false);
  Written written;
  if (call.verb == Verb::Update) {
    written =
        co_await verbs::update_scale(plane_, target, read_object(call.request, false, false), query, call.warnings);
  } else if (call.verb == Verb::Patch) {
    auto [type, body] = read_patch(call.request, false);
    written = co_await verbs::patch_scale(plane_, target, type, std::move(body), query, call.warnings);
  } else {
    throw method_not_allowed(served.resource, to_string(call.verb));
  }
  call.note(written);
  co_return json_response(200, verbs::scale_of(served, *written.object));
}

Task<HttpResponse> Api::answer_subresource(Call& call, Subresource& subresource) {
  const std::string verb(access_verb(call.verb));
  const auto verbs = subresource.verbs();
  if (std::ranges::find(verbs, verb) == verbs.end()) throw method_not_allowed(call.served().resource, verb);
  SubresourceRequest request{verbs::get(plane_, call.target()), verb, *call.request.user, call.request.query, nullptr};
  if (call.verb != Verb::Get && !call.request.body.empty())
    request.body = read_object(call.request, call.served().kind->is_core(), false).value;
  co_return co_await subresource.handle(std::move(request));
}

}  // namespace gantry::api
