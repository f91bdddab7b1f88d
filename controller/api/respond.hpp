// Objects, lists and watches as HTTP answers, in the form that was asked for. The objects' own bytes are passed on
// without a copy wherever the form allows it.
#pragma once

#include "controller/api/media.hpp"
#include "controller/api/table.hpp"
#include "controller/api/verbs/feed.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

struct Shape {
  Form form = Form::Plain;
  Include include = Include::Metadata;
};

HttpResponse json_response(int status, std::string body);
HttpResponse json_response(int status, const json::Value& body);
HttpResponse text_response(int status, std::string body);

HttpResponse object_response(const Served& served, int status, const ObjectPtr& object, Shape shape, WallTime now);
// A long table is sent as a stream, page by page.
HttpResponse list_response(Reactor& front, const ServedPtr& served, Listed listed, Shape shape);
// The stream's frames, each event one JSON document and a line feed.
HttpResponse watch_response(const ServedPtr& served, std::unique_ptr<verbs::Feed> feed, Shape shape,
                            const Clock& clock);

// One Warning header for each text, within the limits that clients put on them.
void add_warnings(HttpResponse& response, const Warnings& warnings);

}  // namespace gantry::api
