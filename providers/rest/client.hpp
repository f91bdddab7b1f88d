// One account at one vendor, over HTTP and JSON: who signs in, within which limits, what is asked again and what is
// not, what a refusal means, and a record of it all. What is said in the requests is the vendors' folders' business.
//
// Asked again by itself is only what changes nothing (GET): up to twice, after a pause that grows. Anything else may
// have had its effect although no answer came; the caller finds out by looking.
//
// The token goes into one header, and nowhere else: it is struck out of messages and logs.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "providers/provider.hpp"
#include "providers/rest/throttle.hpp"

namespace gantry::providers::rest {

// How a vendor says no: its word for it, its words for people, and what that means here when the status alone does not
// tell.
struct Refusal {
  std::string code;
  std::string message;
  std::optional<ErrorCode> meaning;
  std::optional<Duration> retry_after;
};

struct Vendor {
  std::string name;        // digitalocean: the label of metrics and the first word of messages
  std::string endpoint;    // https://api.digitalocean.com
  std::string request_id;  // header
  std::string limit;       // headers: calls allowed,
  std::string remaining;   // left,
  std::string reset;       // and when (Unix seconds)
  Allowance allowance;
  // `said`: the answer's body; null when it was no JSON.
  std::function<Refusal(int status, const json::Value& said)> read_refusal;
};

struct Ask {
  std::string method = "GET";
  std::string path;       // "/v2/droplets?page=1", after the endpoint
  std::string operation;  // "/v2/droplets/{id}": a closed set, for metrics and records
  json::Value body;       // null: none
  std::string about;      // the id or mark it is about, for the record
  Duration timeout = std::chrono::seconds(30);
  bool again = true;  // false: not asked again by itself, though it changes nothing
};

class Client {
 public:
  // `endpoint` instead of the vendor's own, when it is not empty. Throws Error(Invalid) for one that would carry the
  // token in clear text to another machine.
  Client(const ProviderParts& parts, Vendor vendor, std::string account, std::string endpoint, Secret token);

  // The answer's body; null when it has none. Throws Error.
  Task<json::Value> ask(Ask ask);

  std::optional<RateLimit> rate_limit() const { return throttle_.state(); }
  std::vector<CallRecord> calls(std::size_t most) const;
  std::vector<CallRecord> calls_about(const std::vector<std::string>& things, std::size_t most) const;
  std::size_t made() const { return made_; }  // calls since the beginning, each try counted
  Reactor& reactor() const { return parts_.reactor; }

 private:
  Task<json::Value> once(const Ask& ask);
  json::Value accept(const Ask& ask, const http::Response& response, CallRecord& record);
  std::optional<RateLimit> limit_of(const http::Response& response) const;
  Error refusal_of(const Ask& ask, const http::Response& response, CallRecord& record);
  void keep(CallRecord record);

  ProviderParts parts_;
  Vendor vendor_;
  std::string account_;
  std::string endpoint_;
  Secret token_;
  Throttle throttle_;
  std::deque<CallRecord> records_;  // newest first
  std::deque<CallRecord> about_;    // those of them that are about something, kept longer
  std::size_t made_ = 0;
};

}  // namespace gantry::providers::rest
