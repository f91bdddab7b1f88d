// One connection: requests in order, one at a time, until somebody has enough. While it waits it holds no buffer.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/http/core.hpp"
#include "controller/api/http/request_reader.hpp"
#include "controller/api/http/response_head.hpp"
#include "controller/base/byte_stream.hpp"

namespace gantry::api::http {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // over_limit: the first request is answered with 503, whatever it is.
  Session(std::shared_ptr<Core> core, int descriptor, bool over_limit);
  ~Session();

  static Task<> run(std::shared_ptr<Session> self);

  // Each second: ends what takes too long.
  void sweep();
  // The server is shutting down: at once when idle, else after the request under way.
  void drain();
  void drop();

  std::list<Session*>::iterator place;

 private:
  enum class Phase { Handshake, Idle, Head, Body, Handling, Writing, Streaming, Lingering };
  enum class Input { Request, Refused, Gone };

  Task<> serve();
  Task<bool> handshake();
  Task<Input> read_request();
  bool use_input(std::string_view fresh);
  bool admit();
  Task<bool> drain_body();
  bool body_fits() const;
  Task<bool> answer();
  void identify();
  void refuse(int status, std::string_view reason, const Error& error);
  HttpResponse refuse_stranger();

  Task<bool> send(HttpResponse response);
  Task<bool> send_stream(HttpResponse& response);
  Task<bool> send_compressed(const HttpResponse& response);
  Task<bool> write(std::span<const std::string_view> pieces);
  Framing framing_of(const HttpResponse& response) const;
  void watch_for_end();
  void end_of_input();
  Task<> linger();

  void enter(Phase phase, std::chrono::seconds limit);
  void enter(Phase phase) { enter(phase, std::chrono::seconds(0)); }

  std::shared_ptr<Core> core_;
  std::shared_ptr<tls::Context> tls_;
  ByteStream stream_;
  RequestReader reader_;
  std::string input_;  // what came and is not used yet
  std::string head_;
  std::string text_;  // a chunk's frame
  Phase phase_ = Phase::Handshake;
  std::uint64_t deadline_ = 0;  // in the core's seconds; 0: none
  std::uint64_t written_before_ = 0;
  std::size_t unyielded_ = 0;  // requests since this session last let others run
  bool over_limit_;
  bool closing_ = false;
  bool late_ = false;  // the request under way has used up its time
  bool admitted_ = false;
  bool head_only_ = false;
  bool accepts_gzip_ = false;
  bool http_1_0_ = false;

  std::string peer_;  // its address
  std::optional<tls::Identity> certificate_;
  std::string authorization_;  // the header that user_ was found by: clients send the same each time
  std::optional<User> user_;
  bool identified_ = false;
  std::uint64_t identified_at_ = 0;  // the authenticator's revision
  std::shared_ptr<BodySink> sink_;   // of the request under way

  std::optional<HttpResponse> refusal_;
  BodyStream* body_ = nullptr;  // under way
  bool watching_input_ = false;
};

}  // namespace gantry::api::http
