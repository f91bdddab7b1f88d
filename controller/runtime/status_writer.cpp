#include "controller/runtime/status_writer.hpp"

#include <algorithm>

#include "controller/runtime/informer.hpp"

namespace gantry::runtime {
namespace {

constexpr int kTriesMax = 4;

json::Value* find_in(json::Array& conditions, std::string_view type) {
  for (auto& condition : conditions) {
    if (condition.string_or("type") == type) return &condition;
  }
  return nullptr;
}

void set_condition(json::Array& conditions, const Condition& wanted, std::int64_t generation, const std::string& now) {
  json::Value* condition = find_in(conditions, wanted.type);
  if (!condition) condition = &conditions.emplace_back(json::Object{{"type", wanted.type}});
  auto& fields = condition->as_object();
  if (condition->string_or("status") != wanted.status || !fields.contains("lastTransitionTime")) {
    fields.set("lastTransitionTime", now);
  }
  fields.set("status", wanted.status);
  fields.set("reason", wanted.reason.empty() ? std::string("Unspecified") : wanted.reason);
  fields.set("message", wanted.message);
  fields.set("observedGeneration", generation);
}

}  // namespace

const json::Value* find_condition(const json::Value& object, std::string_view type) {
  const json::Value* conditions = object.at({"status", "conditions"});
  if (!conditions || !conditions->is_array()) return nullptr;
  for (const auto& condition : conditions->as_array()) {
    if (condition.string_or("type") == type) return &condition;
  }
  return nullptr;
}

std::string condition_status(const json::Value& object, std::string_view type) {
  const json::Value* condition = find_condition(object, type);
  return condition ? condition->string_or("status") : std::string();
}

json::Value next_status(const json::Value& object, const StatusUpdate& update, WallTime now) {
  const json::Value* old = object.find("status");
  const bool had = old && old->is_object();
  json::Value status = update.fields && update.fields->is_object() ? *update.fields
                       : had && !update.fields                     ? *old
                                                                   : json::Value(json::Object{});
  json::Array conditions;
  if (had) {
    if (const auto* known = old->find("conditions"); known && known->is_array()) conditions = known->as_array();
  }
  std::erase_if(conditions, [&](const json::Value& condition) {
    return std::ranges::find(update.withdrawn, condition.string_or("type")) != update.withdrawn.end();
  });

  const json::Value* metadata = object.find("metadata");
  const std::int64_t generation = metadata ? metadata->int_or("generation", 0) : 0;
  const std::string time = format_time(now);
  for (const auto& condition : update.conditions) set_condition(conditions, condition, generation, time);
  for (const char* type : {"Ready", "Synced"}) {
    if (!find_in(conditions, type)) {
      set_condition(conditions, {type, "Unknown", "Pending", "Not observed yet"}, generation, time);
    }
  }
  // By type, so that the same truth always has the same bytes, whatever the way to it.
  std::ranges::sort(conditions, {}, [](const json::Value& condition) { return condition.string_or("type"); });

  status["conditions"] = std::move(conditions);
  status["observedGeneration"] = generation;
  const std::string handled = !update.handled.empty() ? update.handled
                              : had                   ? old->string_or("lastHandledReconcileAt")
                                                      : "";
  if (!handled.empty()) status["lastHandledReconcileAt"] = handled;
  return status;
}

Task<object::ObjectPtr> write_status(const Context& context, object::ObjectPtr stored, json::Value object,
                                     StatusUpdate update) {
  const object::Key key = stored->key();
  const std::string uid = stored->meta().uid;
  const std::int64_t generation = stored->meta().generation;
  for (int tries = 1;; ++tries) {
    json::Value status = next_status(object, update, context.reactor.clock().wall());
    if (const json::Value* old = object.find("status"); old && *old == status) co_return stored;
    object["status"] = std::move(status);

    std::optional<Error> failure;
    try {
      stored = co_await context.client.update_status(key.resource, std::move(object), context.write_options());
      context.informers.learn(stored);
      co_return stored;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::NotFound) co_return nullptr;
      if (error.code() != ErrorCode::Conflict || tries == kTriesMax) throw;
    }
    // Somebody else was quicker. What we saw is still true of the same spec, and of that only.
    stored = co_await context.client.find(key);
    if (!stored || stored->meta().uid != uid || stored->meta().generation != generation) co_return nullptr;
    context.informers.learn(stored);
    object = stored->decode();
  }
}

}  // namespace gantry::runtime
