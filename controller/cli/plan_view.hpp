// The server's answer to a plan request, as terraform would print it.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "controller/base/json.hpp"
#include "controller/cli/style.hpp"

namespace gantry::cli {

struct PlanCounts {
  std::size_t add = 0;
  std::size_t change = 0;
  std::size_t destroy = 0;
  std::size_t failed = 0;       // objects that the server would refuse
  std::size_t destructive = 0;  // actions that lose something
  bool anything() const { return add + change + destroy > 0; }
};

// Prints what would happen to one object; nothing for an object that stays as it is.
// item:
// {"object":{"apiVersion","kind","namespace","name"},"change":"create|configure|unchanged|delete|invalid","error",
// "fields":[{"path","before","after"}],"conflicts":[{"field","message"}],"plan":{"actions":[...]}}, as
// controller/api/plans.hpp answers. where: "web.yaml:12: " of a field that is refused.
void print_plan_item(std::ostream& out, const json::Value& item, const Style& style, PlanCounts& counts,
                     const std::function<std::string(const std::string& field)>& where = {});

// "Plan: 3 to add, 1 to change, 0 to destroy." or "No changes."; what would be refused is counted too.
std::string plan_summary(const PlanCounts& counts);

}  // namespace gantry::cli
