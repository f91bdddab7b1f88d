// What stands between a request and the store: every object that is stored has been settled (its kind agreed, unknown
// fields dropped, defaults filled in) and judged (schema, metadata, the kind's own rules, the checks of others), and
// all that is wrong with it is said at once. Front reactor; nothing here waits.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

// What a check is shown.
struct Review {
  const object::Kind& kind;
  const json::Value& object;   // as it would be stored
  const json::Value* old;      // null on create
  const User* user = nullptr;  // who asks; null: the house itself
  bool dry_run = false;
};

// A rule of one kind that its schema cannot say, registered from outside: cycles, references, limits. Adds what is
// wrong, or throws Error(Forbidden) for what this writer may not; must not wait, so what it reads it reads from memory.
using AdmissionCheck = std::function<void(const Review&, std::vector<FieldError>& causes)>;

class Admission {
 public:
  struct Limits {
    std::size_t object_bytes_max = 3 << 19;  // 1.5 MiB, as etcd's
  };
  Admission() = default;
  explicit Admission(Limits limits) : limits_(limits) {}

  // Called for every create and update of the resource, in whatever form it is written.
  void add_check(object::Resource resource, AdmissionCheck check);
  // Objects of the resource that may not be deleted: says why, or nothing.
  using RemovalCheck = std::function<std::string(const std::string& name)>;
  void add_removal_check(object::Resource resource, RemovalCheck check);

  // Makes a request body an object of this kind. Throws Error(BadRequest) when it is another's, and under Strict for
  // unknown and doubled fields; under Warn these become warnings.
  void settle(const Served& served, Body& body, Validation validation, Warnings& warnings) const;
  // The same for the outcome of a patch: under Strict the cause stands on the field "patch" (422).
  void settle_patched(const Target& target, json::Value& object, std::vector<std::string> duplicates,
                      Validation validation, Warnings& warnings) const;

  // Throws Error(Invalid) with every cause.
  void judge(const Served& served, const Review& review) const;

  // Throws Error(Forbidden) for what stays.
  void judge_removal(const Served& served, const std::string& name) const;

  // Canonical bytes, in the form that is stored. Error(TooLarge) beyond the limit.
  store::Encoded encode(const Target& target, const json::Value& object) const;

 private:
  std::vector<std::string> tidy(const Served& served, json::Value& object, bool report) const;

  Limits limits_;
  std::unordered_map<std::string_view, std::vector<AdmissionCheck>> checks_;  // by qualified resource
  std::unordered_map<std::string_view, RemovalCheck> removal_checks_;
};

// apiVersion and kind of a body: filled in when absent. Error(BadRequest) when they are not this kind's.
void agree_on_kind(const Served& served, json::Value& object);
// metadata.name and metadata.namespace against the URL's; what the body leaves out is filled in.
void agree_on_address(Target& target, json::Value& object);

}  // namespace gantry::api
