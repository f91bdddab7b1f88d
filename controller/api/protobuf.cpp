#include "controller/api/protobuf.hpp"

#include <algorithm>
#include <span>

#include "controller/api/status.hpp"
#include "controller/base/base64.hpp"
#include "controller/base/clock.hpp"

// A message is a table of its fields: number, JSON name, how it is written. Go writes the zero of a plain field
// although it means "absent"; only fields that are pointers in Go (Optional) can say zero on purpose.
namespace gantry::api {
namespace {

constexpr std::size_t kDepthMax = 16;

enum class Wire { String, Int, Bool, Bytes, Time, MicroTime, Message, TextMap, BytesMap, RawJson };
enum Flags : unsigned { None = 0, Repeated = 1, Optional = 2 };

struct Field {
  std::uint32_t number;
  std::string_view name;
  Wire wire = Wire::String;
  unsigned flags = None;
  std::span<const Field> message = {};
};

constexpr Field kRawField[] = {{1, "Raw", Wire::RawJson}};
constexpr Field kOwner[] = {{1, "kind"},
                            {3, "name"},
                            {4, "uid"},
                            {5, "apiVersion"},
                            {6, "controller", Wire::Bool, Optional},
                            {7, "blockOwnerDeletion", Wire::Bool, Optional}};
constexpr Field kManaged[] = {{1, "manager"},    {2, "operation"},
                              {3, "apiVersion"}, {4, "time", Wire::Time},
                              {6, "fieldsType"}, {7, "fieldsV1", Wire::Message, None, kRawField},
                              {8, "subresource"}};
constexpr Field kMeta[] = {{1, "name"},
                           {2, "generateName"},
                           {3, "namespace"},
                           {5, "uid"},
                           {6, "resourceVersion"},
                           {7, "generation", Wire::Int},
                           {8, "creationTimestamp", Wire::Time},
                           {9, "deletionTimestamp", Wire::Time},
                           {10, "deletionGracePeriodSeconds", Wire::Int, Optional},
                           {11, "labels", Wire::TextMap},
                           {12, "annotations", Wire::TextMap},
                           {13, "ownerReferences", Wire::Message, Repeated, kOwner},
                           {14, "finalizers", Wire::String, Repeated},
                           {17, "managedFields", Wire::Message, Repeated, kManaged}};
constexpr Field kNamespaceSpec[] = {{1, "finalizers", Wire::String, Repeated}};
constexpr Field kNamespaceStatus[] = {{1, "phase"}};
constexpr Field kNamespace[] = {{1, "metadata", Wire::Message, None, kMeta},
                                {2, "spec", Wire::Message, None, kNamespaceSpec},
                                {3, "status", Wire::Message, None, kNamespaceStatus}};
constexpr Field kSecret[] = {{1, "metadata", Wire::Message, None, kMeta},
                             {2, "data", Wire::BytesMap},
                             {3, "type"},
                             {4, "stringData", Wire::TextMap},
                             {5, "immutable", Wire::Bool, Optional}};
constexpr Field kConfigMap[] = {{1, "metadata", Wire::Message, None, kMeta},
                                {2, "data", Wire::TextMap},
                                {3, "binaryData", Wire::BytesMap},
                                {4, "immutable", Wire::Bool, Optional}};
constexpr Field kReference[] = {{1, "kind"},       {2, "namespace"},       {3, "name"},     {4, "uid"},
                                {5, "apiVersion"}, {6, "resourceVersion"}, {7, "fieldPath"}};
constexpr Field kEventSource[] = {{1, "component"}, {2, "host"}};
constexpr Field kSeries[] = {{1, "count", Wire::Int}, {2, "lastObservedTime", Wire::MicroTime}};
constexpr Field kEvent[] = {{1, "metadata", Wire::Message, None, kMeta},
                            {2, "involvedObject", Wire::Message, None, kReference},
                            {3, "reason"},
                            {4, "message"},
                            {5, "source", Wire::Message, None, kEventSource},
                            {6, "firstTimestamp", Wire::Time},
                            {7, "lastTimestamp", Wire::Time},
                            {8, "count", Wire::Int},
                            {9, "type"},
                            {10, "eventTime", Wire::MicroTime},
                            {11, "series", Wire::Message, None, kSeries},
                            {12, "action"},
                            {13, "related", Wire::Message, None, kReference},
                            {14, "reportingComponent"},
                            {15, "reportingInstance"}};
constexpr Field kEventsGroupEvent[] = {{1, "metadata", Wire::Message, None, kMeta},
                                       {2, "eventTime", Wire::MicroTime},
                                       {3, "series", Wire::Message, None, kSeries},
                                       {4, "reportingController"},
                                       {5, "reportingInstance"},
                                       {6, "action"},
                                       {7, "reason"},
                                       {8, "regarding", Wire::Message, None, kReference},
                                       {9, "related", Wire::Message, None, kReference},
                                       {10, "note"},
                                       {11, "type"},
                                       {12, "deprecatedSource", Wire::Message, None, kEventSource},
                                       {13, "deprecatedFirstTimestamp", Wire::Time},
                                       {14, "deprecatedLastTimestamp", Wire::Time},
                                       {15, "deprecatedCount", Wire::Int}};
constexpr Field kLeaseSpec[] = {
    {1, "holderIdentity", Wire::String, Optional}, {2, "leaseDurationSeconds", Wire::Int, Optional},
    {3, "acquireTime", Wire::MicroTime},           {4, "renewTime", Wire::MicroTime},
    {5, "leaseTransitions", Wire::Int, Optional},  {6, "strategy", Wire::String, Optional},
    {7, "preferredHolder", Wire::String, Optional}};
constexpr Field kLease[] = {{1, "metadata", Wire::Message, None, kMeta}, {2, "spec", Wire::Message, None, kLeaseSpec}};
constexpr Field kResourceAttributes[] = {{1, "namespace"}, {2, "verb"},        {3, "group"}, {4, "version"},
                                         {5, "resource"},  {6, "subresource"}, {7, "name"}};
constexpr Field kPathAttributes[] = {{1, "path"}, {2, "verb"}};
constexpr Field kAccessSpec[] = {{1, "resourceAttributes", Wire::Message, None, kResourceAttributes},
                                 {2, "nonResourceAttributes", Wire::Message, None, kPathAttributes}};
constexpr Field kAccessReview[] = {{1, "metadata", Wire::Message, None, kMeta},
                                   {2, "spec", Wire::Message, None, kAccessSpec}};
constexpr Field kRulesSpec[] = {{1, "namespace"}};
constexpr Field kRulesReview[] = {{1, "metadata", Wire::Message, None, kMeta},
                                  {2, "spec", Wire::Message, None, kRulesSpec}};
constexpr Field kSubjectSpec[] = {{1, "resourceAttributes", Wire::Message, None, kResourceAttributes},
                                  {2, "nonResourceAttributes", Wire::Message, None, kPathAttributes},
                                  {3, "user"},
                                  {4, "groups", Wire::String, Repeated},
                                  {6, "uid"}};
constexpr Field kSubjectReview[] = {{1, "metadata", Wire::Message, None, kMeta},
                                    {2, "spec", Wire::Message, None, kSubjectSpec}};
constexpr Field kBoundRef[] = {{1, "kind"}, {2, "apiVersion"}, {3, "name"}, {4, "uid"}};
constexpr Field kTokenRequestSpec[] = {{1, "audiences", Wire::String, Repeated},
                                       {3, "boundObjectRef", Wire::Message, None, kBoundRef},
                                       {4, "expirationSeconds", Wire::Int, Optional}};
constexpr Field kTokenRequest[] = {{1, "metadata", Wire::Message, None, kMeta},
                                   {2, "spec", Wire::Message, None, kTokenRequestSpec}};
constexpr Field kTokenReviewSpec[] = {{1, "token"}, {2, "audiences", Wire::String, Repeated}};
constexpr Field kTokenReview[] = {{1, "metadata", Wire::Message, None, kMeta},
                                  {2, "spec", Wire::Message, None, kTokenReviewSpec}};
constexpr Field kRule[] = {{1, "verbs", Wire::String, Repeated},
                           {2, "apiGroups", Wire::String, Repeated},
                           {3, "resources", Wire::String, Repeated},
                           {4, "resourceNames", Wire::String, Repeated},
                           {5, "nonResourceURLs", Wire::String, Repeated}};
constexpr Field kRequirement[] = {{1, "key"}, {2, "operator"}, {3, "values", Wire::String, Repeated}};
constexpr Field kLabelSelector[] = {{1, "matchLabels", Wire::TextMap},
                                    {2, "matchExpressions", Wire::Message, Repeated, kRequirement}};
constexpr Field kAggregation[] = {{1, "clusterRoleSelectors", Wire::Message, Repeated, kLabelSelector}};
constexpr Field kRole[] = {{1, "metadata", Wire::Message, None, kMeta}, {2, "rules", Wire::Message, Repeated, kRule}};
constexpr Field kClusterRole[] = {{1, "metadata", Wire::Message, None, kMeta},
                                  {2, "rules", Wire::Message, Repeated, kRule},
                                  {3, "aggregationRule", Wire::Message, None, kAggregation}};
constexpr Field kSubject[] = {{1, "kind"}, {2, "apiGroup"}, {3, "name"}, {4, "namespace"}};
constexpr Field kRoleRef[] = {{1, "apiGroup"}, {2, "kind"}, {3, "name"}};
constexpr Field kBinding[] = {{1, "metadata", Wire::Message, None, kMeta},
                              {2, "subjects", Wire::Message, Repeated, kSubject},
                              {3, "roleRef", Wire::Message, None, kRoleRef}};
constexpr Field kLocalReference[] = {{1, "name"}};
constexpr Field kServiceAccount[] = {{1, "metadata", Wire::Message, None, kMeta},
                                     {2, "secrets", Wire::Message, Repeated, kReference},
                                     {3, "imagePullSecrets", Wire::Message, Repeated, kLocalReference},
                                     {4, "automountServiceAccountToken", Wire::Bool, Optional}};
constexpr Field kSelfReview[] = {{1, "metadata", Wire::Message, None, kMeta}};
constexpr Field kPreconditions[] = {{1, "uid", Wire::String, Optional}, {2, "resourceVersion", Wire::String, Optional}};
constexpr Field kDeleteOptions[] = {{1, "gracePeriodSeconds", Wire::Int, Optional},
                                    {2, "preconditions", Wire::Message, None, kPreconditions},
                                    {3, "orphanDependents", Wire::Bool, Optional},
                                    {4, "propagationPolicy", Wire::String, Optional},
                                    {5, "dryRun", Wire::String, Repeated}};
constexpr Field kTypeMeta[] = {{1, "apiVersion"}, {2, "kind"}};
constexpr Field kUnknown[] = {{1, "typeMeta", Wire::Message, None, kTypeMeta}, {2, "raw", Wire::Bytes}};

struct Known {
  std::string_view kind;
  std::span<const Field> fields;
  std::string_view group_version = {};  // empty: whichever it says
};
constexpr Known kKnown[] = {{"Namespace", kNamespace},
                            {"Secret", kSecret},
                            {"ConfigMap", kConfigMap},
                            {"Event", kEventsGroupEvent, "events.k8s.io/v1"},
                            {"Event", kEvent},
                            {"Lease", kLease},
                            {"DeleteOptions", kDeleteOptions},
                            {"SelfSubjectAccessReview", kAccessReview},
                            {"SelfSubjectRulesReview", kRulesReview},
                            {"SelfSubjectReview", kSelfReview},
                            {"SubjectAccessReview", kSubjectReview},
                            {"LocalSubjectAccessReview", kSubjectReview},
                            {"TokenRequest", kTokenRequest},
                            {"TokenReview", kTokenReview},
                            {"Role", kRole},
                            {"ClusterRole", kClusterRole},
                            {"RoleBinding", kBinding},
                            {"ClusterRoleBinding", kBinding},
                            {"ServiceAccount", kServiceAccount}};

[[noreturn]] void malformed(std::string_view what) {
  throw Error(ErrorCode::BadRequest, "protobuf body is malformed: " + std::string(what));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) malformed("it ends inside a number");
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (!(byte & 0x80)) return value;
    }
    malformed("a number is too long");
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size()) malformed("it ends inside a field");
    const auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  void skip(std::uint32_t wire) {
    switch (wire) {
      case 0:
        varint();
        return;
      case 1:
        take(8);
        return;
      case 2:
        take(varint());
        return;
      case 5:
        take(4);
        return;
      default:
        malformed("a field has an unknown wire type");
    }
  }

 private:
  std::string_view bytes_;
};

json::Value decode_message(std::string_view bytes, std::span<const Field> fields, std::size_t depth);

// seconds and nanoseconds; null for the zero time, which Go writes as an empty message.
json::Value decode_time(std::string_view bytes, bool micro) {
  Reader reader(bytes);
  std::int64_t seconds = 0, nanos = 0;
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    if ((tag & 7) != 0) {
      reader.skip(tag & 7);
      continue;
    }
    const auto value = static_cast<std::int64_t>(reader.varint());
    if (tag >> 3 == 1) seconds = value;
    if (tag >> 3 == 2) nanos = value;
  }
  if (seconds == 0 && nanos == 0) return nullptr;
  constexpr std::int64_t kFarthest = 9'000'000'000;  // years beyond this do not fit the clock
  if (seconds > kFarthest || seconds < -kFarthest || nanos < 0 || nanos > 999'999'999)
    malformed("a time is out of range");
  const WallTime time{Duration(std::chrono::seconds(seconds)) + Duration(nanos)};
  return micro ? format_micro_time(time) : format_time(time);
}

// One entry of a map: key in field 1, value in field 2.
void decode_entry(std::string_view bytes, Wire wire, json::Object& out) {
  Reader reader(bytes);
  std::string_view key, value;
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    if ((tag & 7) != 2) {
      reader.skip(tag & 7);
      continue;
    }
    const auto text = reader.take(reader.varint());
    if (tag >> 3 == 1) key = text;
    if (tag >> 3 == 2) value = text;
  }
  out.set(key, wire == Wire::BytesMap ? base64_encode(value) : std::string(value));
}

void decode_bytes(const Field& field, std::string_view bytes, json::Object& out, std::size_t depth) {
  const auto add = [&](json::Value value) {
    if (!(field.flags & Repeated)) {
      out.set(field.name, std::move(value));
      return;
    }
    json::Value& list = out[field.name];
    if (list.is_null()) list = json::Array();
    list.as_array().push_back(std::move(value));
  };
  switch (field.wire) {
    case Wire::String:
      if (!bytes.empty() || (field.flags & (Optional | Repeated))) add(std::string(bytes));
      return;
    case Wire::Bytes:
      add(std::string(bytes));
      return;
    case Wire::RawJson:
      if (!bytes.empty()) add(json::parse(bytes));
      return;
    case Wire::Time:
    case Wire::MicroTime: {
      json::Value time = decode_time(bytes, field.wire == Wire::MicroTime);
      if (!time.is_null()) add(std::move(time));
      return;
    }
    case Wire::Message: {
      json::Value value = decode_message(bytes, field.message, depth + 1);
      if (field.message.data() == kRawField) {
        if (json::Value* raw = value.find("Raw")) add(std::move(*raw));
      } else if (!value.as_object().empty() || (field.flags & Repeated)) {
        add(std::move(value));
      }
      return;
    }
    case Wire::TextMap:
    case Wire::BytesMap: {
      json::Value& map = out[field.name];
      if (map.is_null()) map = json::Object();
      decode_entry(bytes, field.wire, map.as_object());
      return;
    }
    default:
      malformed("a field has the wrong wire type");
  }
}

void decode_number(const Field& field, std::uint64_t value, json::Object& out) {
  if (field.wire != Wire::Int && field.wire != Wire::Bool) malformed("a field has the wrong wire type");
  if (value == 0 && !(field.flags & Optional)) return;
  if (field.wire == Wire::Bool) {
    out.set(field.name, value != 0);
  } else {
    out.set(field.name, static_cast<std::int64_t>(value));
  }
}

json::Value decode_message(std::string_view bytes, std::span<const Field> fields, std::size_t depth) {
  if (depth > kDepthMax) malformed("nested too deeply");
  json::Object out;
  Reader reader(bytes);
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    const auto field = std::ranges::find(fields, tag >> 3, &Field::number);
    const auto wire = static_cast<std::uint32_t>(tag & 7);
    if (field == fields.end()) {
      reader.skip(wire);
    } else if (wire == 0) {
      decode_number(*field, reader.varint(), out);
    } else if (wire == 2) {
      decode_bytes(*field, reader.take(reader.varint()), out, depth);
    } else {
      reader.skip(wire);
    }
  }
  return out;
}

}  // namespace

json::Value decode_protobuf(std::string_view body) {
  constexpr std::string_view kMagic("k8s\0", 4);
  if (!body.starts_with(kMagic)) malformed("it does not start with the magic of Kubernetes");
  json::Value unknown = decode_message(body.substr(kMagic.size()), kUnknown, 0);
  const auto* type = unknown.find("typeMeta");
  const std::string kind = type ? type->string_or("kind") : std::string();
  const std::string group_version = type ? type->string_or("apiVersion") : std::string();
  const auto known = std::ranges::find_if(kKnown, [&](const Known& each) {
    return each.kind == kind && (each.group_version.empty() || each.group_version == group_version);
  });
  if (known == std::end(kKnown)) {
    throw Error(ErrorCode::UnsupportedMediaType,
                "the body of the request was in an unknown format - protobuf is not read for kind \"" + kind +
                    "\"; send application/json");
  }
  const auto* raw = unknown.find("raw");
  json::Value object = decode_message(raw ? std::string_view(raw->as_string()) : std::string_view(), known->fields, 0);
  object["apiVersion"] = group_version;
  object["kind"] = kind;
  // Text fields come as they are on the wire; what is no UTF-8 must not get into the store.
  json::parse(json::dump(object));
  return object;
}

}  // namespace gantry::api
