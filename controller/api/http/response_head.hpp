// The status line and headers of an answer, as text.
#pragma once

#include <string>
#include <string_view>

#include "controller/api/handler.hpp"
#include "controller/base/clock.hpp"

namespace gantry::api::http {

// How the body's end is found.
struct Framing {
  enum class Kind { Length, Chunked, UntilClose };
  Kind kind = Kind::Length;
  std::size_t length = 0;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive, which only HTTP/1.0 needs to hear
  bool gzip = false;
};

// Appends to out. date: as http_date() writes it. Control characters in header values become spaces, so that nothing
// of a value can become a header.
void write_head(const HttpResponse& response, const Framing& framing, std::string_view date, std::string& out);

std::string http_date(WallTime time);

}  // namespace gantry::api::http
