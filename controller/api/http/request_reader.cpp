#include "controller/api/http/request_reader.hpp"

// Beast 1.74 asserts that a last chunk which comes in pieces is never seen at four bytes ("0\r\n\r"); it may be, and
// the code behind the assertion is right (found by tests/fuzz/http_fuzz.cpp).
#define BOOST_DISABLE_ASSERTS

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

#include "controller/api/http/target.hpp"

namespace gantry::api::http {

namespace beast = boost::beast;
using beast::error_code;

namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// "gzip;q=0" is a no.
bool offers_gzip(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view item = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(accept.size(), item.size() + 1));
    while (item.starts_with(' ')) item.remove_prefix(1);
    if (item == "gzip") return true;
    if (item.starts_with("gzip;") && item.find_first_of("123456789") != std::string_view::npos) return true;
  }
  return false;
}

constexpr std::size_t kChunkHeadMax = 4096;  // a chunk's size line, or all trailers

}  // namespace

class RequestReader::Parser final : public beast::http::basic_parser<true> {
 public:
  explicit Parser(RequestReader& reader) : reader_(reader) {
    eager(true);
    header_limit(static_cast<std::uint32_t>(reader.limits_.head_bytes) + 4);
    body_limit(std::max(reader.limits_.body_bytes, reader.limits_.streamed_bytes));
  }

 private:
  void on_request_impl(beast::http::verb, std::string_view method, std::string_view target, int version,
                       error_code& error) override {
    HttpRequest& request = reader_.request_;
    request.method = method;
    reader_.http_1_0_ = version == 10;
    std::string problem = read_target(target, request);
    if (problem.empty()) return;
    reader_.refuse(400, "malformed", std::move(problem));
    error = beast::http::error::bad_target;
  }

  void on_field_impl(beast::http::field, std::string_view name, std::string_view value, error_code& error) override {
    if (reader_.state_ != State::Head) return;  // a trailer: nobody asked for one
    reader_.take_field(name, value);
    if (reader_.state_ == State::Refused) error = beast::http::error::bad_field;
  }

  void on_header_impl(error_code& error) override {
    reader_.keep_alive_ = keep_alive();
    reader_.head_is_read();
    if (reader_.state_ == State::Refused) error = beast::http::error::bad_field;
  }

  // The length is the client's word only: memory comes as bytes do.
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length) reader_.request_.body.reserve(std::min<std::size_t>(*length, 64 << 10));
  }
  std::size_t on_body_impl(std::string_view body, error_code&) override {
    reader_.request_.body.append(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, std::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, std::string_view body, error_code&) override {
    reader_.request_.body.append(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
  void on_response_impl(int, std::string_view, int, error_code&) override {}

  RequestReader& reader_;
};

RequestReader::RequestReader(const Limits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

void RequestReader::reset() {
  parser_.reset();
  state_ = State::Head;
  request_ = {};
  scanned_ = head_end_ = content_lengths_ = transfer_encodings_ = hosts_ = 0;
  began_ = keep_alive_ = http_1_0_ = is_head_request_ = expects_continue_ = accepts_gzip_ = false;
}

std::size_t RequestReader::refuse(int status, std::string_view reason, std::string message) {
  state_ = State::Refused;
  keep_alive_ = false;
  refusal_ = {status, reason, std::move(message)};
  return 0;
}

// Every line of the head ends in CRLF, none begins with a blank (obs-fold), and no CR stands alone.
RequestReader::Scan RequestReader::scan_head(std::string_view bytes) {
  while (true) {
    const auto cr = bytes.find('\r', scanned_);
    const auto lf = bytes.find('\n', scanned_);
    if (lf != std::string_view::npos && (cr == std::string_view::npos || lf < cr)) return Scan::Bad;
    if (cr == std::string_view::npos) {
      scanned_ = bytes.size();
      return Scan::Incomplete;
    }
    scanned_ = cr;
    if (cr + 1 >= bytes.size()) return Scan::Incomplete;
    if (bytes[cr + 1] != '\n') return Scan::Bad;
    if (cr + 2 >= bytes.size()) return Scan::Incomplete;
    if (bytes[cr + 2] == ' ' || bytes[cr + 2] == '\t') return Scan::Bad;
    if (bytes[cr + 2] == '\r') {
      if (cr + 3 >= bytes.size()) return Scan::Incomplete;
      if (bytes[cr + 3] != '\n') return Scan::Bad;
      head_end_ = cr + 4;
      return Scan::Complete;
    }
    scanned_ = cr + 2;
  }
}

std::size_t RequestReader::feed(std::string_view bytes) {
  if (state_ == State::Done || state_ == State::Refused) return 0;
  std::size_t skipped = 0;
  if (state_ == State::Head) {
    // One empty line before a request is allowed (RFC 9112, 2.2): old clients end a body with it.
    if (!began_ && bytes.starts_with("\r\n")) skipped = 2;
    bytes.remove_prefix(skipped);
    began_ = began_ || skipped > 0 || (!bytes.empty() && bytes.front() != '\r');
    const Scan scan = began_ && bytes.starts_with('\r') ? Scan::Bad : scan_head(bytes);
    if (scan == Scan::Bad)
      return refuse(400, "malformed", "a line of the request's head does not end in CRLF, or is folded");
    if (scan == Scan::Complete ? head_end_ > limits_.head_bytes : bytes.size() > limits_.head_bytes) {
      return refuse(431, "head_too_large",
                    "the request's head is larger than " + std::to_string(limits_.head_bytes) + " bytes");
    }
    if (scan == Scan::Incomplete) return skipped;
    parser_ = std::make_unique<Parser>(*this);
  }
  std::size_t used = 0;
  error_code error;
  while (used < bytes.size() && !parser_->is_done() && !error) {
    used += parser_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
  }
  if (state_ == State::Refused) return 0;
  if (error == beast::http::error::body_limit) {
    return refuse(413, "body_too_large",
                  "the request body is larger than " +
                      std::to_string(std::max(limits_.body_bytes, limits_.streamed_bytes)) + " bytes");
  }
  if (error == beast::http::error::bad_version)
    return refuse(505, "malformed", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  if (error && error != beast::http::error::need_more) return refuse(400, "malformed", error.message());
  if (parser_->is_done()) {
    state_ = State::Done;
  } else if (bytes.size() - used > kChunkHeadMax) {
    return refuse(400, "malformed", "a chunk's head is larger than " + std::to_string(kChunkHeadMax) + " bytes");
  }
  return skipped + used;
}

void RequestReader::take_field(std::string_view name, std::string_view value) {
  if (request_.headers.size() >= limits_.headers) {
    refuse(431, "head_too_large", "the request has more than " + std::to_string(limits_.headers) + " headers");
    return;
  }
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
      refuse(400, "malformed", "a header's value holds a control character");
      return;
    }
  }
  if (request_.headers.empty()) request_.headers.reserve(8);
  auto& field = request_.headers.emplace_back(name, value);
  for (char& c : field.first) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string& key = field.first;
  switch (key.size()) {
    case 4:
      hosts_ += key == "host";
      break;
    case 6:
      if (key == "expect") {
        expects_continue_ = equals_ignoring_case(value, "100-continue");
        if (!expects_continue_) refuse(417, "malformed", "the only expectation that can be met is 100-continue");
      }
      break;
    case 14:
      if (key == "content-length") {
        ++content_lengths_;
        if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) {
          refuse(400, "smuggling", "Content-Length is not a number");
        }
      }
      break;
    case 15:
      accepts_gzip_ = accepts_gzip_ || (key == "accept-encoding" && offers_gzip(value));
      break;
    case 17:
      if (key == "transfer-encoding") {
        ++transfer_encodings_;
        if (!equals_ignoring_case(value, "chunked"))
          refuse(501, "smuggling", "the only transfer coding understood is chunked");
      }
      break;
    default:
      break;
  }
}

void RequestReader::head_is_read() {
  if (state_ == State::Refused) return;
  if (content_lengths_ + transfer_encodings_ > 1) {
    refuse(400, "smuggling", "the request gives its length more than once");
  } else if (transfer_encodings_ > 0 && http_1_0_) {
    refuse(400, "smuggling", "HTTP/1.0 has no transfer codings");
  } else if (hosts_ > 1 || (hosts_ == 0 && !http_1_0_)) {
    refuse(400, "malformed", "the request needs exactly one Host header");
  } else if (request_.method == "CONNECT") {
    refuse(405, "malformed", "this is no proxy");
  } else {
    is_head_request_ = request_.method == "HEAD";
    if (is_head_request_) request_.method = "GET";
    state_ = State::Body;
  }
}

}  // namespace gantry::api::http
