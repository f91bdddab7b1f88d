#include "controller/api/event_kind.hpp"

#include <algorithm>
#include <array>

#include "controller/api/served.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::api {
namespace {

using json::Value;

constexpr std::string_view kGroup = "events.k8s.io", kGroupVersion = "events.k8s.io/v1", kCoreVersion = "v1";
constexpr std::size_t kWordMax = 128, kNoteMax = 1024;

struct Renamed {
  std::string_view core, group;
};
// Everything else has the same name in both.
constexpr std::array<Renamed, 7> kRenamed{{{"involvedObject", "regarding"},
                                           {"message", "note"},
                                           {"reportingComponent", "reportingController"},
                                           {"source", "deprecatedSource"},
                                           {"firstTimestamp", "deprecatedFirstTimestamp"},
                                           {"lastTimestamp", "deprecatedLastTimestamp"},
                                           {"count", "deprecatedCount"}}};
using Side = std::string_view Renamed::*;

std::string_view other_name(std::string_view name, Side from, Side to) {
  const auto at = std::ranges::find(kRenamed, name, from);
  return at == kRenamed.end() ? name : (*at).*to;
}

void rename_members(Value& object, Side from, Side to, std::string_view prefix = {}) {
  if (!object.is_object()) return;
  for (const auto& entry : kRenamed) {
    const std::string before = std::string(prefix).append(entry.*from);
    Value* member = object.find(before);
    if (!member) continue;
    Value moved = std::move(*member);
    object.as_object().erase(before);
    object[std::string(prefix).append(entry.*to)] = std::move(moved);
  }
}

// Who manages the fields of one form manages them in the other, under their names there.
void rename(Value& event, Side from, Side to, std::string_view version_before, std::string_view version) {
  event["apiVersion"] = version;
  rename_members(event, from, to);
  Value* metadata = event.find("metadata");
  Value* managed = metadata ? metadata->find("managedFields") : nullptr;
  if (!managed || !managed->is_array()) return;
  for (auto& entry : managed->as_array()) {
    if (entry.string_or("apiVersion") != version_before) continue;
    entry["apiVersion"] = version;
    if (Value* fields = entry.find("fieldsV1")) rename_members(*fields, from, to, "f:");
  }
}

// Go writes what is not set as its zero.
bool is_unset(const Value* value) {
  if (!value || value->is_null()) return true;
  if (value->is_object()) return value->as_object().empty();
  if (value->is_string()) return value->as_string().empty();
  return value->is_int() && value->as_int() == 0;
}

class EventsGroupView final : public View {
 public:
  void show(Value& event) const override {
    rename(event, &Renamed::core, &Renamed::group, kCoreVersion, kGroupVersion);
  }
  void store(Value& event) const override {
    rename(event, &Renamed::group, &Renamed::core, kGroupVersion, kCoreVersion);
  }
};

class Checks {
 public:
  Checks(bool of_group, const Value& event, const Value* old, std::vector<FieldError>& causes)
      : of_group_(of_group), event_(event), old_(old), causes_(causes) {}

  void run() {
    lives_where_its_object_does();
    if (is_timed()) says_everything();
    if (!of_group_) return;
    if (old_) {
      changes_its_series_alone();
    } else {
      is_of_the_new_kind();
    }
    if (!old_ || !same("series")) counts_from_two();
  }

 private:
  // The form's own name of a field.
  std::string name(std::string_view core) const {
    return std::string(of_group_ ? other_name(core, &Renamed::core, &Renamed::group) : core);
  }
  std::string text(std::string_view core) const { return event_.string_or(name(core)); }
  bool is_timed() const { return !text("eventTime").empty(); }

  bool same(std::string_view core) const {
    const Value *now = event_.find(name(core)), *before = old_->find(name(core));
    return is_unset(now) || is_unset(before) ? is_unset(now) == is_unset(before) : *now == *before;
  }

  void lives_where_its_object_does() {
    const Value* involved = event_.find(name("involvedObject"));
    const std::string about = involved ? involved->string_or("namespace") : std::string();
    const std::string own = event_.find("metadata")->string_or("namespace");
    // What is in no namespace is told of in default; newer recorders take kube-system, too.
    const bool fits = about.empty() ? own == "default" || (is_timed() && own == "kube-system") : about == own;
    if (!fits)
      causes_.push_back(
          object::invalid(name("involvedObject") + ".namespace", about, "does not match event.namespace"));
  }

  void word(std::string_view core) {
    if (text(core).empty()) causes_.push_back(object::required(name(core)));
    if (text(core).size() > kWordMax) causes_.push_back(object::too_long(name(core), kWordMax));
  }

  void says_everything() {
    word("reportingComponent");
    word("reportingInstance");
    word("action");
    word("reason");
    if (text("message").size() > kNoteMax) causes_.push_back(object::too_long(name("message"), kNoteMax));
  }

  void is_of_the_new_kind() {
    if (!is_timed()) causes_.push_back(object::required("eventTime"));
    if (const std::string type = text("type"); type != "Normal" && type != "Warning")
      causes_.push_back(object::invalid("type", type, "must be Normal or Warning"));
    for (const std::string_view field : {"firstTimestamp", "lastTimestamp", "count", "source"}) {
      if (!is_unset(event_.find(name(field)))) causes_.push_back(object::forbidden(name(field), "needs to be unset"));
    }
  }

  void counts_from_two() {
    const Value* series = event_.find("series");
    if (!series || !series->is_object()) return;
    if (series->int_or("count", 0) < 2)
      causes_.push_back(object::invalid("series.count", series->int_or("count", 0), "should be at least 2"));
    if (series->string_or("lastObservedTime").empty()) causes_.push_back(object::required("series.lastObservedTime"));
  }

  void changes_its_series_alone() {
    for (const std::string_view field :
         {"involvedObject", "reason", "reportingComponent", "reportingInstance", "related", "message", "source",
          "firstTimestamp", "lastTimestamp", "count", "eventTime", "action", "type"}) {
      if (same(field)) continue;
      const Value* now = event_.find(name(field));
      causes_.push_back(object::invalid(name(field), now ? *now : Value(), "field is immutable"));
    }
  }

  bool of_group_;
  const Value& event_;
  const Value* old_;
  std::vector<FieldError>& causes_;
};

}  // namespace

object::KindPtr events_group_kind(const object::Kind& core) {
  Value definition = core.definition;
  Value& spec = definition["spec"];
  spec["group"] = kGroup;
  // Its columns are those of what is stored: see Table.
  for (auto& version : spec["versions"].as_array()) {
    version.as_object().erase("additionalPrinterColumns");
    Value& schema = version["schema"]["openAPIV3Schema"];
    rename_members(schema["properties"], &Renamed::core, &Renamed::group);
    schema.as_object().erase("required");
  }
  return object::kind_from_definition(definition);
}

std::shared_ptr<const View> events_group_view() { return std::make_shared<const EventsGroupView>(); }

void check_event(const Served& served, const Value& event, const Value* old, std::vector<FieldError>& causes) {
  Checks(served.kind->group == kGroup, event, old, causes).run();
}

}  // namespace gantry::api
