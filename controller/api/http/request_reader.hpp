// Makes an HttpRequest of bytes, however they are split, and refuses what two servers could understand differently
// (request smuggling): it is strict where RFC 9112 allows leniency. Beast does the grammar.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "controller/api/handler.hpp"
#include "controller/api/http/limits.hpp"

namespace gantry::api::http {

class RequestReader {
 public:
  enum class State { Head, Body, Done, Refused };

  explicit RequestReader(const Limits& limits);
  ~RequestReader();

  // For the next request on the same connection.
  void reset();

  // Uses a part of bytes, from their beginning, and says how much. What is left is to be offered again with more behind
  // it (Head, Body), or is the next request (Done).
  std::size_t feed(std::string_view bytes);

  State state() const { return state_; }
  HttpRequest& request() { return request_; }
  const HttpRequest& request() const { return request_; }

  // Valid once the head is read (Body, Done).
  bool keep_alive() const { return keep_alive_; }
  bool http_1_0() const { return http_1_0_; }
  bool is_head_request() const { return is_head_request_; }
  bool expects_continue() const { return expects_continue_; }
  bool accepts_gzip() const { return accepts_gzip_; }

  // Why Refused.
  struct Refusal {
    int status = 400;
    std::string_view reason;  // a metric label: malformed, head_too_large, body_too_large, ...
    std::string message;
  };
  const Refusal& refusal() const { return refusal_; }

 private:
  class Parser;
  enum class Scan { Incomplete, Complete, Bad };
  Scan scan_head(std::string_view bytes);
  std::size_t refuse(int status, std::string_view reason, std::string message);
  void take_field(std::string_view name, std::string_view value);
  void head_is_read();

  const Limits& limits_;
  std::unique_ptr<Parser> parser_;
  State state_ = State::Head;
  HttpRequest request_;
  Refusal refusal_;
  std::size_t scanned_ = 0;  // of the head: already known to be clean
  std::size_t head_end_ = 0;
  std::size_t content_lengths_ = 0;
  std::size_t transfer_encodings_ = 0;
  std::size_t hosts_ = 0;
  bool began_ = false;  // after the empty line that may stand before it
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool is_head_request_ = false;
  bool expects_continue_ = false;
  bool accepts_gzip_ = false;
};

}  // namespace gantry::api::http
