// What a vendor promises about its API, and what it asks of us: its OpenAPI document, held against every request of
// ours and every answer that an emulator gives in the vendor's place.
//
// The documents are not part of this project. They are looked for in the folder that GANTRY_SPECS names, else in
// ../shared/specs beside the source tree; where a vendor's is absent its exchanges go unjudged, and a test says so.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/contract/schema.hpp"

namespace gantry::contract {

struct Request {
  std::string method;
  std::string target;  // path and query, as sent
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Response {
  int status = 0;
  std::string body;
};

class Contract {
 public:
  // Null when the vendor's document is not there. One copy a process.
  static const Contract* of(std::string_view vendor);
  static std::string folder();

  // Throws Error(Invalid) when it holds anything that could not be judged.
  explicit Contract(std::string_view document);

  Faults judge(const Request& request) const;
  Faults judge(const Request& request, const Response& response) const;
  std::size_t operations() const { return operations_.size(); }

 private:
  struct Parameter {
    std::string name;
    std::string in;
    bool required = false;
    const json::Value* schema = nullptr;
  };
  struct Operation {
    std::string method;
    std::vector<std::string> segments;  // "{}": any
    std::vector<std::string> holes;     // names of those, in order
    std::vector<Parameter> parameters;
    const json::Value* body = nullptr;
    bool needs_identity = false;
    const json::Value* responses = nullptr;
  };
  struct Found {
    const Operation* operation = nullptr;
    std::map<std::string, std::string> values;  // of the "{}", by name
  };

  void add(const std::string& path, const std::string& method, const json::Value& item, const json::Value& operation);
  Found find(const Request& request) const;
  void judge_query(const Operation& operation, const std::string& target, Faults& faults) const;
  void judge_body(const Operation& operation, const Request& request, Faults& faults) const;
  void judge_words(const Parameter& parameter, const std::vector<std::string>& words, Faults& faults) const;

  Schemas schemas_;
  std::string base_;  // the path of the first server: "/v1"
  std::vector<Operation> operations_;
};

}  // namespace gantry::contract
