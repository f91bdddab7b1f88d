#include "controller/runtime/object_metrics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "controller/base/raw_json.hpp"
#include "controller/runtime/informer.hpp"

namespace gantry::runtime {
namespace {

constexpr std::size_t kTurn = 256;  // objects, before others on this thread have theirs
constexpr std::array<std::string_view, 3> kStatuses{"True", "False", "Unknown"};

struct Shown {
  std::string_view type, status;  // into the object's bytes
};

struct Look {
  std::vector<Shown> conditions;
  std::int64_t lag = 0;
  bool well() const {
    return lag == 0 && std::ranges::all_of(conditions, [](const Shown& one) {
             return (one.type != "Ready" && one.type != "Synced") || one.status == "True";
           });
  }
};

// Canonical JSON: a condition ends in "status":"True","type":"Ready"}. In a message these quotes would be escaped.
Look look_at(const object::Object& object) {
  Look look;
  const std::string_view status = json::raw_at(object.bytes(), {"status"});
  constexpr std::string_view kStatus = R"("status":")", kType = R"(","type":")";
  const std::string_view conditions = json::raw_at(status, {"conditions"});
  for (std::size_t at = conditions.find(kStatus); at != conditions.npos; at = conditions.find(kStatus, at)) {
    at += kStatus.size();
    const std::size_t end = conditions.find('"', at);
    if (!conditions.substr(std::min(end, conditions.size())).starts_with(kType)) continue;
    const std::size_t type = end + kType.size();
    look.conditions.push_back(
        {conditions.substr(type, conditions.find('"', type) - type), conditions.substr(at, end - at)});
  }
  std::int64_t observed = 0;
  const std::string_view digits = json::raw_at(status, {"observedGeneration"});
  std::from_chars(digits.data(), digits.data() + digits.size(), observed);
  look.lag = object.meta().generation - observed;
  return look;
}

void head(std::string& out, std::string_view name, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" gauge\n");
}

struct Text {
  std::string conditions, lags, counts, hidden;

  void add(const std::string& kind, const object::Object& object, const Look& look) {
    const std::string who =
        "{kind=\"" + kind + "\",namespace=\"" + object.key().ns + "\",name=\"" + object.key().name + "\"";
    for (const Shown& shown : look.conditions) {
      for (const std::string_view each : kStatuses) {
        conditions.append("gantry_resource_condition").append(who).append(",type=\"").append(shown.type);
        conditions.append("\",status=\"").append(each).append(each == shown.status ? "\"} 1\n" : "\"} 0\n");
      }
    }
    lags.append("gantry_resource_generation_lag").append(who).append("} ").append(std::to_string(look.lag)) += '\n';
  }
};

Task<> add_kind(Reactor& loop, const std::string& kind, std::vector<ObjectPtr> objects, std::size_t limit, Text& text) {
  std::map<std::string_view, std::array<std::size_t, 3>> counts;
  std::vector<const object::Object*> well;
  std::size_t shown = 0;
  std::size_t turn = 0;
  for (const ObjectPtr& object : objects) {
    if (++turn % kTurn == 0) co_await asio::post(loop.executor(), use_task);
    const Look look = look_at(*object);
    for (const Shown& one : look.conditions) {
      const auto at = std::ranges::find(kStatuses, one.status);
      if (at != kStatuses.end()) ++counts[one.type][static_cast<std::size_t>(at - kStatuses.begin())];
    }
    if (!look.well() && shown < limit) {
      ++shown;
      text.add(kind, *object, look);
    } else {
      well.push_back(object.get());
    }
  }
  std::size_t left = well.size();
  for (const object::Object* object : well) {
    if (shown == limit) break;
    if (++turn % kTurn == 0) co_await asio::post(loop.executor(), use_task);
    ++shown;
    --left;
    text.add(kind, *object, look_at(*object));
  }
  for (const auto& [type, each] : counts) {
    for (std::size_t i = 0; i < each.size(); ++i) {
      text.counts.append("gantry_resources{kind=\"").append(kind).append("\",condition=\"").append(type);
      text.counts.append("\",status=\"").append(kStatuses[i]).append("\"} ").append(std::to_string(each[i])) += '\n';
    }
  }
  text.hidden.append("gantry_resources_without_series{kind=\"").append(kind).append("\"} ");
  text.hidden.append(std::to_string(left)) += '\n';
}

}  // namespace

Task<std::string> object_metrics(Reactor& loop, const Informers& informers, const object::KindTable& kinds,
                                 std::size_t per_kind) {
  Text text;
  const auto all = kinds.all();  // a copy: kinds come and go meanwhile
  for (const auto& kind : all) {
    const Informer* informer = kind->has_status ? informers.find_informer(kind->resource) : nullptr;
    if (informer) co_await add_kind(loop, kind->kind, informer->snapshot(), per_kind, text);
  }
  std::string out;
  head(out, "gantry_resource_condition", "1 for the status that a condition of an object has, 0 for the others");
  out += text.conditions;
  head(out, "gantry_resource_generation_lag", "Changes of an object's spec that its status does not know yet");
  out += text.lags;
  head(out, "gantry_resources", "Objects with this status of this condition");
  out += text.counts;
  head(out, "gantry_resources_without_series",
       "Objects that are counted only: too many for a series each. What is not well has one first");
  out += text.hidden;
  co_return out;
}

}  // namespace gantry::runtime
