// What one run of a deploy says, event by event, kept for whoever comes late or again; and the stream that sends it.
// A client that goes away takes nothing with it: the run goes on, and its log waits.
//
// On the wire (text/event-stream): each event is the one line "data: {json}" and an empty line; its id follows in a
// block of its own, which old clients skip, so that whoever has seen the id has seen the event. Every 15 s of silence a
// comment, so that no proxy takes the stream for dead. The last event is the one of type done, exactly one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/api/handler.hpp"
#include "controller/base/json.hpp"
#include "controller/base/signal.hpp"

namespace gantry::deploy {

class EventLog : public std::enable_shared_from_this<EventLog> {
 public:
  EventLog(Reactor& reactor, std::string id) : reactor_(reactor), id_(std::move(id)), changed_(reactor) {}

  const std::string& id() const { return id_; }
  // {"type":"log","message":...,"ts":...} and what `more` has besides (server, step, level). Secrets that were
  // registered are struck out, wherever they stand. After done() nothing is added any more.
  void say(std::string message, json::Object more = {});
  void done(bool success, json::Array servers, json::Object more = {});
  bool over() const { return over_; }
  Instant ended() const { return ended_; }
  // Of type done; null before.
  const json::Value& result() const { return result_; }

  // From the event after that number on; 0: from the first.
  std::unique_ptr<api::BodyStream> stream(std::size_t after);
  Task<> wait();

 private:
  class Stream;
  void add(const json::Value& event);

  Reactor& reactor_;
  std::string id_;
  Signal changed_;
  std::vector<std::string> frames_;
  std::size_t forgotten_ = 0;  // events from the beginning that are not kept any more
  json::Value result_;
  bool over_ = false;
  Instant ended_{};
};

// "RUN-12", as Last-Event-ID brings it back. False when it is none.
bool read_event_id(std::string_view text, std::string& run, std::size_t& number);

}  // namespace gantry::deploy
